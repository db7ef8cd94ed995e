import { type Fact, placeKey } from "./facts.ts";
import { factAtHome } from "./home.ts";
import type { Ledger } from "./ledger.ts";

/** Stands in a ledger for a definition that differs from one deployment to the next: the object must be there, whatever it is. */
export const varies = "<varies>";

/**
 * Whether a person means this fact: `bake --varies public.totals`, `totals`, `orders.region`.
 * @param fact of a history that lives in `public`
 */
export function isNamed({ object, name }: Fact, names: readonly string[]): boolean {
  const short = object.replace(/^public\./, "");
  const spellings = name === "" ? [object, short] : [`${object}.${name}`, `${short}.${name}`];
  return names.some((each) => spellings.includes(each));
}

/** Places that an earlier ledger does not compare, as they are where the home is `public`. */
export function varyingPlaces(ledger: Ledger | null): ReadonlySet<string> {
  const facts = ledger?.facts.filter(({ definition }) => definition === varies) ?? [];
  return new Set(facts.map((fact) => placeKey(factAtHome(fact, "public"))));
}
