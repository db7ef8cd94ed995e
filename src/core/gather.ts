import type { Difference, SchemaDifference } from "./difference.ts";
import { type Fact, isRelation } from "./facts.ts";

/** A difference, and those that go without saying beside it. */
export type Gathered = {
  readonly difference: Difference;
  /** The columns, constraints, indexes, … of a whole table, view, … */
  readonly parts: readonly SchemaDifference[];
};

/** As a person counts them: a table that is too much, or missing, is one thing, with all that belongs to it. */
export function gather(differences: readonly Difference[]): readonly Gathered[] {
  const wholes = new Map<string, SchemaDifference>();
  for (const each of differences)
    if (each.kind !== "edited" && isRelation(each.fact)) wholes.set(each.fact.object, each);
  const parts = new Map<Difference, SchemaDifference[]>();
  const others: Difference[] = [];
  for (const each of differences) {
    const whole = each.kind === "edited" ? undefined : wholes.get(ownerOf(each.fact));
    if (each.kind === "edited" || whole === undefined || !goesWithoutSaying(each, whole))
      others.push(each);
    else parts.set(whole, [...(parts.get(whole) ?? []), each]);
  }
  return others.map((difference) => ({ difference, parts: parts.get(difference) ?? [] }));
}

/** The relation that a fact belongs to; of a sequence the one whose column owns it. */
function ownerOf({ kind, object, definition }: Fact): string {
  if (kind !== "sequence") return object;
  return / OWNED BY (.+)\.(?:"(?:[^"]|"")*"|[^".]+)$/.exec(definition)?.[1] ?? object;
}

function goesWithoutSaying(part: SchemaDifference, whole: SchemaDifference): boolean {
  if (part === whole || (whole.tolerable && !part.tolerable)) return false;
  if (part.kind === "extra")
    return part.why === "" && !part.warns && ["extra", "in-the-way"].includes(whole.kind);
  return part.kind !== "changed" && part.kind === whole.kind && part.revision === whole.revision;
}
