import type { AlterTableCmd, ColumnDef, Constraint, Node } from "libpg-query";
import {
  inside,
  insideAll,
  lastWord,
  type Name,
  objectsIn,
  quote,
  show,
  wordsIn,
} from "../pgsql/tree.ts";
import { remarkOnConstraint } from "./add-constraint.ts";
import { findTable } from "./learn.ts";
import { type Remark, type Scene, writtenAnew } from "./scene.ts";
import { type ColumnType, isSerial, judgeChange, showType, typeOf } from "./types.ts";

/**
 * A column without a default, or with one that is the same for every row, is added without touching the rows. All else is
 * as expensive as the table is large.
 */
export function remarkOnNewColumn(
  action: AlterTableCmd,
  table: Name,
  scene: Scene,
): readonly Remark[] {
  const column = inside("ColumnDef", action.def);
  if (column === null) return [];
  const { colname = "", location } = column;
  const isThere = findTable(scene.known, table)?.columns.has(colname) === true;
  if (action.missing_ok === true && isThere) return [];
  const constraints = insideAll("Constraint", column.constraints);
  const copy = whyCopied(column, constraints, scene);
  const remarks = constraints
    .filter((constraint) => isChecked(constraint, constraints))
    // Named as a constraint of the table would name its columns.
    .map((constraint) => ({ ...constraint, keys: [{ String: { sval: colname } }] }))
    .flatMap((constraint) => remarkOnConstraint(constraint, table, scene) ?? []);
  if (copy !== null) return [{ ...copied(copy, colname, table), location }, ...remarks];
  return isRequired(constraints) ? [{ ...required(column, table), location }, ...remarks] : remarks;
}

/** What makes PostgreSQL write the table anew. */
type Copy = { readonly rule: "volatile-default" | "stored-column"; readonly by: string };

function whyCopied(
  { typeName }: ColumnDef,
  constraints: readonly Constraint[],
  { known }: Scene,
): Copy | null {
  const generated = constraints.find(({ contype }) => contype === "CONSTR_GENERATED");
  if (generated?.generated_kind === "s") return { rule: "stored-column", by: "GENERATED … STORED" };
  if (isSerial(typeName)) return volatile("a serial type, whose default is nextval()");
  if (constraints.some(({ contype }) => contype === "CONSTR_IDENTITY"))
    return volatile("an identity, which counts the rows");
  const call = findVolatile(defaultOf(constraints), known.functions);
  if (call !== null) return volatile(`the default ${call}(), which differs from row to row`);
  const type = lastWord(typeName?.names);
  return known.checkedDomains.has(type) ? volatile(`domain ${quote(type)}, which checks it`) : null;

  function volatile(by: string): Copy {
    return { rule: "volatile-default", by };
  }
}

/**
 * A function in the expression that gives another value at each call, so that every row of a table needs a value of its
 * own; null where there is none. `now()` and the like stay the same for a whole transaction.
 * @param own the functions that the history makes, and whether they are volatile
 */
function findVolatile(
  expression: Node | undefined,
  own: ReadonlyMap<string, boolean>,
): string | null {
  const names = insideAll("FuncCall", objectsIn(expression)).map(({ funcname }) =>
    lastWord(funcname),
  );
  return names.find((name) => own.get(name) ?? volatiles.test(name)) ?? null;
}

/** Volatile in `pg_proc` and of use as a default; then those of extensions, whose names tell. */
const volatiles =
  /^(?:clock_timestamp|currval|gen_salt|lastval|nextval|setval|timeofday|uuid_generate_v(?:1|1mc|4|6|7))$|random|uuidv\d|ulid|nanoid|ksuid|snowflake/;

/** A new column without a default is NULL everywhere: no row has to be looked up for a foreign key. */
function isChecked({ contype }: Constraint, all: readonly Constraint[]): boolean {
  if (contype === "CONSTR_FOREIGN") return defaultOf(all) !== undefined;
  return contype === "CONSTR_CHECK" || contype === "CONSTR_UNIQUE" || contype === "CONSTR_PRIMARY";
}

function isRequired(constraints: readonly Constraint[]): boolean {
  const kinds = constraints.map(({ contype }) => contype);
  return (
    (kinds.includes("CONSTR_NOTNULL") || kinds.includes("CONSTR_PRIMARY")) &&
    !kinds.includes("CONSTR_DEFAULT") &&
    !kinds.includes("CONSTR_GENERATED")
  );
}

function defaultOf(constraints: readonly Constraint[]) {
  return constraints.find(({ contype }) => contype === "CONSTR_DEFAULT")?.raw_expr;
}

function copied({ rule, by }: Copy, colname: string, table: Name): Remark {
  const [on, name] = [`ALTER TABLE ${show(table)}`, quote(colname)];
  return {
    level: "danger",
    rule,
    seen: `column ${name} is added to ${show(table)} with ${by}`,
    why: writtenAnew,
    remedy:
      rule === "stored-column"
        ? `add ${name} as a plain column, let a trigger fill it, and fill the old rows in batches; or compute it in a view`
        : `add ${name} without it, then for new rows: ${on} ALTER COLUMN ${name} SET DEFAULT …; fill the old rows in batches`,
  };
}

function required({ colname = "" }: ColumnDef, table: Name): Remark {
  return {
    level: "warning",
    rule: "required-column",
    seen: `column ${quote(colname)} is added to ${show(table)} as NOT NULL and without a default`,
    why: "it fails as soon as the table has a row, and the application's running version does not fill it",
    remedy: `ADD COLUMN ${quote(colname)} … NOT NULL DEFAULT …, which costs nothing if the default is constant`,
  };
}

/** `ALTER COLUMN … TYPE`. Where no file says what the type was, it is taken for an expensive one. */
export function remarkOnTypeChange(
  action: AlterTableCmd,
  table: Name,
  { known }: Scene,
): Remark | null {
  const { name: column = "" } = action;
  const { typeName, raw_default: using, location } = inside("ColumnDef", action.def) ?? {};
  const before = findTable(known, table)?.columns.get(column)?.type ?? null;
  const after = typeOf(typeName);
  const change = before === null ? "rewrites" : judgeChange(before, after);
  if (change === "free" && isPlain(using, column, after)) return null;
  const [on, name] = [`ALTER TABLE ${show(table)}`, quote(column)];
  const from = before === null ? "" : ` from ${showType(before)}`;
  return {
    level: "danger",
    rule: change === "narrows" ? "narrow-type" : "change-type",
    seen: `${name} of ${show(table)} changes its type${from} to ${showType(after)}`,
    why: `the whole table and its indexes are written anew, and nobody can use it meanwhile${
      change === "narrows" ? "; values that do not fit are cut off or make it fail" : ""
    }`,
    remedy: `${on} ADD COLUMN … ${showType(after)}, let a trigger fill it, fill the old rows in batches, then let the two change names${before === null ? `. Free of all this are ${free}` : ""}`,
    location,
  };
}

const free =
  "varchar to text, a longer varchar or varbit, more digits before the point of numeric, more precision of timestamp or time, cidr to inet";

/** `USING x` and `USING x::type` say no more than no USING at all. */
function isPlain(using: Node | undefined, name: string, after: ColumnType): boolean {
  if (using === undefined) return true;
  const cast = inside("TypeCast", using);
  const column = inside("ColumnRef", cast === null ? using : cast.arg);
  const [word] = column?.fields?.flatMap(wordsIn) ?? [];
  return word === name && (cast === null || showType(typeOf(cast.typeName)) === showType(after));
}
