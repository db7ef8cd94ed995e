import type { Node, TypeName } from "libpg-query";
import { lastWord, quote } from "../pgsql/tree.ts";

/** A column's type as a statement writes it. */
export type ColumnType = {
  readonly name: string;
  /** What stands in the brackets: `varchar(10)`, `numeric(12,2)`. */
  readonly mods: readonly number[];
  readonly isArray: boolean;
};

/** What another type does to a table: nothing, a new copy of it, or a copy that may not hold every value. */
export type TypeChange = "free" | "rewrites" | "narrows";

export function typeOf(type: TypeName | undefined): ColumnType {
  const name = lastWord(type?.names);
  return {
    name: serials.get(name) ?? name,
    mods: (type?.typmods ?? []).flatMap(numberIn),
    isArray: (type?.arrayBounds ?? []).length > 0,
  };
}

export function isSerial(type: TypeName | undefined): boolean {
  return serials.has(lastWord(type?.names));
}

/** As seen with PostgreSQL 18: the table is copied unless every stored value stays as it is, byte for byte. */
export function judgeChange(from: ColumnType, to: ColumnType): TypeChange {
  if (from.isArray !== to.isArray) return "rewrites";
  const change = from.name === to.name ? judgeMods(from, to) : judgeNames(from, to);
  // An array's elements are looked at one by one.
  return change === "free" && from.isArray && showType(from) !== showType(to) ? "rewrites" : change;
}

export function showType({ name, mods, isArray }: ColumnType): string {
  const shown = mods.length === 0 || name === "interval" ? "" : `(${mods.join(",")})`;
  return `${words.get(name) ?? quote(name)}${shown}${isArray ? "[]" : ""}`;
}

const serials: ReadonlyMap<string, string> = new Map([
  ["smallserial", "int2"],
  ["serial2", "int2"],
  ["serial", "int4"],
  ["serial4", "int4"],
  ["bigserial", "int8"],
  ["serial8", "int8"],
]);

const words: ReadonlyMap<string, string> = new Map([
  ["int2", "smallint"],
  ["int4", "integer"],
  ["int8", "bigint"],
  ["float4", "real"],
  ["float8", "double precision"],
  ["bpchar", "char"],
  ["bool", "boolean"],
]);

/** The digits that each can hold. */
const digits: ReadonlyMap<string, number> = new Map([
  ["int2", 5],
  ["int4", 10],
  ["int8", 19],
]);
const floats = ["float4", "float8"];
const times = ["timestamp", "timestamptz"];

function judgeMods(from: ColumnType, to: ColumnType): TypeChange {
  const [before = Infinity, scaleBefore = 0] = from.mods;
  const [after = Infinity, scaleAfter = 0] = to.mods;
  switch (from.name) {
    case "varchar":
    case "varbit":
    case "timestamp":
    case "timestamptz":
    case "time":
    case "timetz":
      return after >= before ? "free" : "narrows";
    case "numeric":
      if (after === Infinity) return "free";
      if (before === Infinity || after - scaleAfter < before - scaleBefore) return "narrows";
      if (scaleAfter < scaleBefore) return "narrows";
      return scaleAfter === scaleBefore ? "free" : "rewrites";
    case "bpchar":
    case "bit":
      if (after === before) return "free";
      return after > before ? "rewrites" : "narrows";
    case "interval":
      // interval(3) is written as fields and precision: only a change without either is certain.
      return to.mods.length === 0 || String(from.mods) === String(to.mods) ? "free" : "rewrites";
    default:
      return "free";
  }
}

function judgeNames(from: ColumnType, to: ColumnType): TypeChange {
  const [before, after] = [from.name, to.name];
  const isText = (name: string) => name === "text" || name === "varchar";
  if (isText(before) && isText(after)) return to.mods.length === 0 ? "free" : judgeLength(from, to);
  if (isText(before) && after === "bpchar") return judgeLength(from, to);
  if (before === "cidr" && after === "inet") return "free";
  const [digitsBefore, digitsAfter] = [digitsOf(from), digitsOf(to)];
  if (digitsBefore !== null && digitsAfter !== null)
    return digitsAfter < digitsBefore || isFraction(from) ? "narrows" : "rewrites";
  if (floats.includes(before) && (digitsAfter !== null || after === "float4")) return "narrows";
  if (times.includes(before) && (after === "date" || after === "time")) return "narrows";
  return "rewrites";
}

/** Before the decimal point; null: not a whole number or a `numeric`. */
function digitsOf({ name, mods: [precision = Infinity, scale = 0] }: ColumnType): number | null {
  return name === "numeric" ? precision - scale : (digits.get(name) ?? null);
}

/** What only `numeric` can hold: the others would round it. */
function isFraction({ name, mods: [precision, scale = 0] }: ColumnType): boolean {
  return name === "numeric" && (precision === undefined || scale > 0);
}

function judgeLength(from: ColumnType, to: ColumnType): TypeChange {
  const [before = Infinity] = from.mods;
  const [after = Infinity] = to.mods;
  return after < before ? "narrows" : "rewrites";
}

function numberIn(node: Node): readonly number[] {
  return "A_Const" in node && node.A_Const.ival !== undefined ? [node.A_Const.ival.ival ?? 0] : [];
}
