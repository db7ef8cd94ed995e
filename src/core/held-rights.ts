import { type Fact, placeKey, receiverOf } from "./facts.ts";

/** Who has which privileges on what, in whatever way. */
export type HeldRights = {
  /** Whoever has more than a migration granted has that, too. */
  readonly covers: (grant: Fact) => boolean;
  /**
   * @param right a privilege or an ownership that is not there as a migration gave it
   * @returns whether it was the role's, by its own name or by that of a role whose privileges it has, and the role has nothing
   *   of its own that does the same
   */
  readonly isLostFor: (role: string, right: Fact) => boolean;
};

export function readHeldRights(facts: readonly Fact[]): HeldRights {
  const privileges = new Map<string, ReadonlySet<string>>();
  const owners = new Map<string, string>();
  const ours = new Set<string>();
  for (const fact of facts) {
    if (fact.kind === "owner") owners.set(fact.object, fact.definition);
    if (fact.kind !== "grant") continue;
    if (fact.object === "") ours.add(fact.name);
    else privileges.set(placeKey(fact), new Set([...of(fact), ...fact.definition.split(", ")]));
  }
  return {
    covers: (grant) => grant.definition.split(", ").every((each) => of(grant).has(each)),
    isLostFor: (role, right) => {
      const receiver = receiverOf(right);
      if (receiver === null || (receiver !== role && !ours.has(receiver))) return false;
      const has = of({ ...right, kind: "grant", name: role });
      return !needed(right).every((each) => has.has(each));
    },
  };

  function of(grant: Fact): ReadonlySet<string> {
    return privileges.get(placeKey(grant)) ?? new Set();
  }

  /** An owner can do more; this is what an application does. */
  function needed(right: Fact): readonly string[] {
    if (right.kind === "grant") return right.definition.split(", ");
    const owner = owners.get(right.object);
    if (owner === undefined) return [];
    const all = of({ ...right, kind: "grant", name: owner });
    return [...all].filter((each) => usual.includes(each));
  }
}

const usual: readonly string[] = ["SELECT", "INSERT", "UPDATE", "DELETE", "USAGE", "EXECUTE"];
