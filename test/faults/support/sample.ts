import process from "node:process";

/** A kill matrix takes minutes: by itself a sample of it runs, and all of it with `npm run test:kills`. */
export const isWhole = process.env["PREFLIGHT_KILL_MATRIX"] === "whole";

/** Every pair; in a sample so many that each of both sides is met. */
export function pairsOf<One, Other>(
  some: readonly One[],
  others: readonly Other[],
): readonly (readonly [One, Other])[] {
  if (isWhole) return some.flatMap((one) => others.map((other) => [one, other] as const));
  return Array.from(
    { length: Math.max(some.length, others.length) },
    (_, at) => [some[at % some.length]!, others[at % others.length]!] as const,
  );
}
