import type { Findings } from "./findings.ts";

/** A value and the words for where it stands, such as `PGPORT` or `port in DATABASE_URL`. */
export type Parameter = { readonly value: string; readonly place: string };

/** libpq's keywords, and `ssl`, asyncpg's word for `sslmode`. */
export type Parameters = ReadonlyMap<string, Parameter>;

/** One word out of a few; null when it is not given, or when it is another one and the findings say so. */
export function readWord<Word extends string>(
  keyword: string,
  words: readonly Word[],
  given: Parameters,
  findings: Findings,
): Word | null {
  const parameter = given.get(keyword);
  if (parameter === undefined) return null;
  const word = words.find((known) => known === parameter.value);
  if (word !== undefined) return word;
  findings.faults.push(`${parameter.place} must be one of ${words.join(", ")}`);
  return null;
}
