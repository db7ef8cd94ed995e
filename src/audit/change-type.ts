import type { AlterTableCmd, Node } from "libpg-query";
import { findTable } from "./known.ts";
import { type Name, quote, show, wordsIn } from "../pgsql/names.ts";
import type { Remark, Scene } from "./scene.ts";
import { columnIn } from "../pgsql/tree.ts";
import { type ColumnType, judgeChange, showType, type TypeChange, typeOf } from "./types.ts";

/** `ALTER COLUMN … TYPE`. Where no file says what the type was, it is taken for an expensive one. */
export function remarkOnTypeChange(
  action: AlterTableCmd,
  table: Name,
  { known }: Scene,
): readonly Remark[] {
  const { name: column = "" } = action;
  const { typeName, raw_default: using, location } = columnIn(action) ?? {};
  const before = findTable(known, table)?.columns.get(column)?.type ?? null;
  const after = typeOf(typeName);
  const change = before === null ? "rewrites" : judge(before, after, column, using);
  if (change === "free") return [];
  const [on, name] = [`ALTER TABLE ${show(table)}`, quote(column)];
  const from = before === null ? "" : ` from ${showType(before)}`;
  return [
    {
      level: "danger",
      rule: change === "narrows" ? "narrow-type" : "change-type",
      seen: `${name} of ${show(table)} changes its type${from} to ${showType(after)}`,
      why: `the whole table and its indexes are written anew, and nobody can use it meanwhile${
        change === "narrows" ? "; values that do not fit are cut off or make it fail" : ""
      }`,
      remedy: `${on} ADD COLUMN … ${showType(after)}, let a trigger fill it, fill the old rows in batches, then let the two change names${before === null ? `. Free of all this are ${free}` : ""}`,
      location,
    },
  ];
}

const free =
  "varchar to text, a longer varchar or varbit, more digits before the point of numeric, more precision of timestamp or time, cidr to inet";

function judge(
  before: ColumnType,
  after: ColumnType,
  column: string,
  using: Node | undefined,
): TypeChange {
  const change = judgeChange(before, after);
  return change === "free" && !isPlain(using, column, after) ? "rewrites" : change;
}

/** `USING x` and `USING x::type` say no more than no USING at all. */
function isPlain(using: Node | undefined, column: string, after: ColumnType): boolean {
  if (using === undefined) return true;
  if ("ColumnRef" in using) return (using.ColumnRef.fields ?? []).flatMap(wordsIn)[0] === column;
  if (!("TypeCast" in using)) return false;
  const { arg, typeName } = using.TypeCast;
  return (
    arg !== undefined &&
    "ColumnRef" in arg &&
    showType(typeOf(typeName)) === showType(after) &&
    isPlain(arg, column, after)
  );
}
