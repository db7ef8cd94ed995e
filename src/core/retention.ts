import { type Fact, parentsIn } from "./facts.ts";

/**
 * Partitions of RANGE that a history made and that were dropped, detached or archived since, as data grows old: each lay wholly below one
 * that is there. With them goes what hung on them. Every other partition that is missing is missing.
 * @returns their names, qualified and quoted
 */
export function retiredPartitions(
  known: readonly Fact[],
  live: readonly Fact[],
): ReadonlySet<string> {
  const made = known.filter(isPartition);
  if (made.length === 0) return new Set();
  const there = live.filter(isPartition);
  const remaining = new Set(there.map(({ object }) => object));
  const missing = made.filter(({ object }) => !remaining.has(object));
  const retired = new Set(
    missing
      .filter((one) => there.some((other) => isWhollyBelow(one, other)))
      .map(({ object }) => object),
  );
  for (let size = -1; size !== retired.size;) {
    size = retired.size;
    for (const each of missing)
      if (parentsIn(each).some((parent) => retired.has(parent))) retired.add(each.object);
  }
  return retired;
}

function isPartition({ kind }: Fact): boolean {
  return kind === "partition";
}

function isWhollyBelow(one: Fact, other: Fact): boolean {
  const [below, above] = [boundsOf(one), boundsOf(other)];
  if (below === null || above === null || parentsIn(one).join() !== parentsIn(other).join())
    return false;
  const order = compareKeys(below.to, above.from);
  return order !== null && order <= 0;
}

/** Of a RANGE partition: the values of its key, as PostgreSQL prints them. */
function boundsOf({ definition }: Fact) {
  const found = / FOR VALUES FROM \((.*?)\) TO \((.*?)\)(?= |$)/.exec(definition);
  return found === null ? null : { from: valuesIn(found[1]!), to: valuesIn(found[2]!) };
}

function valuesIn(list: string): readonly string[] {
  return list.match(/'(?:[^']|'')*'|[^', ]+/g) ?? [];
}

/** The first value that differs decides; null: nobody can tell without the key's type. */
function compareKeys(one: readonly string[], other: readonly string[]): number | null {
  for (const [at, value] of one.entries()) {
    const order = compareValues(value, other[at] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}

function compareValues(one: string, other: string): number | null {
  if (one === other) return 0;
  if (one === "MINVALUE" || other === "MAXVALUE") return -1;
  if (one === "MAXVALUE" || other === "MINVALUE") return 1;
  if (isNumber(one) && isNumber(other)) return Number(unquoted(one)) - Number(unquoted(other));
  for (const sorts of [moment, uuid])
    if (sorts.test(one) && sorts.test(other)) return one < other ? -1 : 1;
  return null;
}

/** A negative number is printed in quotes, as a text would be: beside one that is not, it is none. */
function isNumber(value: string): boolean {
  return /^\d+(\.\d+)?$|^'-\d+(\.\d+)?'$/.test(value);
}

/** Dates and times as ISO has them, in UTC, in this era and before the year 10000. */
const moment = /^'\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d+)?(?:\+00)?)?'$/;
const uuid = /^'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'$/;

function unquoted(value: string): string {
  return value.replaceAll("'", "");
}
