import type { Constraint } from "libpg-query";
import { type Name, nameOf, quote, show, wordsIn } from "../pgsql/tree.ts";
import { isKnownNotNull } from "./learn.ts";
import type { Remark, Scene } from "./scene.ts";

/** A constraint that holds at once must first be seen to hold, or be given its index. */
export function remarkOnConstraint(
  constraint: Constraint | null,
  table: Name,
  { known }: Scene,
): Remark | null {
  if (constraint === null) return null;
  const { contype, skip_validation: isDeferred = false, indexname, location } = constraint;
  const columns = (constraint.keys ?? constraint.fk_attrs ?? []).flatMap(wordsIn);
  switch (contype) {
    case "CONSTR_CHECK":
    case "CONSTR_NOTNULL": {
      const isProven =
        contype === "CONSTR_NOTNULL" &&
        columns.every((column) => isKnownNotNull(known, table, column));
      return isDeferred || isProven ? null : { ...check(constraint, columns, table), location };
    }
    case "CONSTR_FOREIGN":
      return isDeferred ? null : { ...foreignKey(constraint, columns, table), location };
    case "CONSTR_UNIQUE":
    case "CONSTR_PRIMARY":
      return indexname === undefined ? { ...unique(constraint, columns, table), location } : null;
    case "CONSTR_EXCLUSION":
      return { ...exclusion(table), location };
    default:
      return null;
  }
}

function check(
  { contype, conname, keys }: Constraint,
  columns: readonly string[],
  table: Name,
): Remark {
  const isNotNull = contype === "CONSTR_NOTNULL";
  const name = conname ?? [table.name, ...columns, isNotNull ? "not_null" : "check"].join("_");
  const words = isNotNull ? `NOT NULL ${columns.map(quote).join(", ")}` : "CHECK (…)";
  return {
    level: "danger",
    rule: isNotNull ? "set-not-null" : "add-check",
    seen: `${words} is added to ${show(table)} and holds at once`,
    why: "every row is read to check it, and nobody can use the table meanwhile",
    remedy: inTwoSteps(words, name, table, keys === undefined),
  };
}

function foreignKey(
  { conname, pktable, keys }: Constraint,
  columns: readonly string[],
  table: Name,
): Remark {
  const other = show(nameOf(pktable));
  const name = conname ?? [table.name, ...columns, "fkey"].join("_");
  const words = `FOREIGN KEY (${columns.map(quote).join(", ")}) REFERENCES ${other}`;
  return {
    level: "danger",
    rule: "add-foreign-key",
    seen: `${words} is added to ${show(table)} and holds at once`,
    why: `every row is looked up in ${other}, and nobody can write to either table meanwhile`,
    remedy: inTwoSteps(words, name, table, keys === undefined),
  };
}

/** @param isSeparate it stands in an `ADD CONSTRAINT` of its own, not in an `ADD COLUMN` */
function inTwoSteps(words: string, conname: string, table: Name, isSeparate: boolean): string {
  const [on, name] = [`ALTER TABLE ${show(table)}`, quote(conname)];
  const first = isSeparate
    ? "write NOT VALID at its end"
    : `take it out of ADD COLUMN: ${on} ADD CONSTRAINT ${name} ${words} NOT VALID`;
  return `${first}; in the next file: ${on} VALIDATE CONSTRAINT ${name}`;
}

function unique({ contype, conname }: Constraint, columns: readonly string[], table: Name): Remark {
  const isPrimary = contype === "CONSTR_PRIMARY";
  const words = isPrimary ? "PRIMARY KEY" : "UNIQUE";
  const list = columns.map(quote).join(", ");
  const standard = isPrimary ? [table.name, "pkey"] : [table.name, ...columns, "key"];
  const name = quote(conname ?? standard.join("_"));
  return {
    level: "danger",
    rule: "add-unique",
    seen: `${words} (${list}) is added to ${show(table)} with a new index`,
    why: "the index is built at once, and nobody can use the table meanwhile",
    remedy: `in a file of its own: CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${show(table)} (${list}); in the next: ALTER TABLE ${show(table)} ADD ${words} USING INDEX ${name}${isPrimary ? ", once the columns are NOT NULL" : ""}`,
  };
}

function exclusion(table: Name): Remark {
  return {
    level: "danger",
    rule: "add-exclusion",
    seen: `EXCLUDE is added to ${show(table)}`,
    why: "its index is built at once, and nobody can use the table meanwhile; PostgreSQL has no other way",
    remedy:
      "do it when nobody needs the table; or fill a new table that has the constraint, in batches, and let the two change names",
  };
}
