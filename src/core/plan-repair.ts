import { rowsFor } from "./claim.ts";
import { differences } from "./difference.ts";
import { placesInDoubt } from "./elsewhere.ts";
import { type Fact, type FactKind, factKinds, placeKey } from "./facts.ts";
import { ancestors } from "./history.ts";
import { factsAt, type OpenLedger, touchesRows, tracesOfHeads } from "./ledger.ts";
import { asSeen } from "./live-schema.ts";
import { CannotJudge } from "./outcome.ts";
import type { ByHandBasis, Request } from "./plan-by-hand.ts";
import { wantedHeads, withRows } from "./plan-by-hand.ts";
import { planFor } from "./plan.ts";
import { refuse } from "./refusals.ts";
import type { Repair } from "./repair-piece.ts";
import { repairOf } from "./repair.ts";
import { type Situation, situate } from "./situation.ts";
import { sketchOf, unquoted } from "./sketch.ts";
import type { Plan, Refusal } from "./step.ts";
import { isNamed } from "./varying.ts";
import type { Verdict } from "./verdict.ts";
import { bakeWhenBuilt } from "./ways-out.ts";
import { nameHeads, nameRevision } from "./words.ts";

type RepairRequest = Extract<Request, { readonly kind: "repair" }>;

/**
 * The DDL that takes the schema to what its rows promise, or to what a person names.
 * Throws CannotJudge: `config` for a revision that no file has, `missing-input` where nothing is known of what it makes.
 */
export function planRepair(request: RepairRequest, verdict: Verdict, basis: ByHandBasis): Plan {
  const refused = refusalToRepair(request, verdict, basis);
  if (refused !== null) return refused;
  const target = targetOf(request, basis);
  const repair = repairTo(target, request, basis);
  const { batches, left, needs } = repair;
  const { history } = basis.knowledge;
  const places = placesInDoubt(basis, "taken back");
  const makesTables = needs.schemas.length > 0;
  if (batches.length > 0 && makesTables && places.length > 0)
    return refuse("repair-elsewhere", places, basis.observation.home.schema);
  if (batches.length === 0)
    return left.length === 0
      ? { kind: "start" }
      : refuse("repair-left", target.heads, left, history);
  const unseen = kindsUnseen(target.ledger);
  return {
    kind: "act",
    steps: [{ kind: "repair", to: target.heads, batches, left, needs, unseen }],
  };
}

/** Of which an old ledger says nothing. */
export function kindsUnseen({ kinds }: Pick<OpenLedger, "kinds">): readonly FactKind[] {
  return factKinds.filter((kind) => !kinds.includes(kind));
}

/** Tables of which it has to be known whether they hold rows. */
export function tablesToAsk(
  request: RepairRequest,
  verdict: Verdict,
  basis: ByHandBasis,
): readonly string[] {
  if (refusalToRepair(request, verdict, basis) !== null) return [];
  const target = targetOf(request, basis);
  const found = target.found.filter(
    ({ kind, fact }) =>
      kind === "missing" && (fact.kind === "column" || fact.kind === "constraint"),
  );
  return [...new Set(found.map(({ fact }) => fact.object))];
}

/** Where the rows are no promise, or it is another command's work. */
function refusalToRepair(
  { to }: RepairRequest,
  verdict: Verdict,
  basis: ByHandBasis,
): Refusal | null {
  const { knowledge, observation, policy } = basis;
  const { history } = knowledge;
  if (verdict.kind === "broken-history") return refuse("broken-history", verdict.faults);
  if (verdict.kind === "unknown" && verdict.isOthersTable)
    return refuse("table-of-others", verdict);
  if (to !== null || knowledge.ledger === null) return null;
  switch (verdict.kind) {
    case "fresh":
    case "unversioned":
      return refuse("repair-without-rows");
    case "unknown":
    case "ahead":
    case "missing-file":
      return refuse("repair-unknown-rows", verdict.recorded);
    case "partial": {
      const plan = planFor(verdict, { ...policy, resume: false }, { ...basis });
      return plan.kind === "refuse" ? plan : null;
    }
    case "mismatched": {
      const { identified } = verdict;
      if (identified.kind !== "proven") return null;
      const proven = ancestors(history, identified.heads);
      const rows = observation.versionTable?.rows ?? [];
      const isLater = rows.every((row) => row !== null && proven.has(row));
      return isLater ? refuse("repair-of-later", identified.heads, history) : null;
    }
    default:
      return null;
  }
}

type Target = Situation & {
  readonly heads: readonly string[];
  readonly ledger: OpenLedger;
  readonly live: NonNullable<Situation["live"]>;
  readonly expected: ReadonlySet<number>;
  readonly found: ReturnType<typeof differences>;
};

function targetOf({ to }: RepairRequest, basis: ByHandBasis): Target {
  const { knowledge, observation } = basis;
  const { history, isBoundElsewhere } = knowledge;
  if (knowledge.ledger === null)
    throw new CannotJudge(
      "missing-input",
      `nothing says what the revisions make: ${isBoundElsewhere ? "the ledger holds for public alone" : "there is no ledger that holds here"}`,
      [bakeWhenBuilt],
    );
  const present = observation.versionTable?.rows ?? [];
  const past = present.filter((row) => row !== null);
  const rows = to === null ? present : rowsFor(history, wantedHeads([to], basis), past);
  const situation = situate(knowledge, withRows(rows, basis));
  const { ledger, live, expected, claim } = situation;
  if (ledger === null || live === null || expected === null)
    throw new CannotJudge(
      "missing-input",
      `nothing says what ${nameHeads(claim.heads, history)} makes: the ledger is older than the files`,
      [bakeWhenBuilt],
    );
  const found = differences(ledger, history, claim.applied, expected, live);
  return { ...situation, heads: claim.heads, ledger, live, expected, found };
}

function repairTo(
  target: Target,
  { acceptEmpty }: RepairRequest,
  { observation }: ByHandBasis,
): Repair {
  const { history, heads, ledger, live, expected, found } = target;
  const sketch = sketchOf(history, heads, observation.home.schema);
  const wanted = factsAt(ledger, asSeen(live, expected));
  const there = new Set(observation.facts.map(placeKey));
  return repairOf({
    differences: found,
    comments: wanted.filter((fact) => fact.kind === "comment" && !there.has(placeKey(fact))),
    expected: wanted,
    live: observation.facts,
    namesInOrder: (table) => [...(sketch.get(unquoted(table)) ?? [])],
    isRole: (name) => name === "PUBLIC" || observation.receivers?.includes(name) === true,
    mayHoldRows: (table) => observation.filled?.includes(table) !== false,
    lossOf: lossesIn(target, acceptEmpty),
  });
}

/** Which tables and columns held what a data migration wrote, or may have. */
function lossesIn(
  { history, ledger, claim, found }: Target,
  acceptEmpty: readonly string[],
): (fact: Fact) => string | null {
  const writers = [...claim.applied].filter((id) => touchesRows(ledger, id));
  const traces = tracesOfHeads(ledger, history, claim.heads);
  const makers = new Map(found.map(({ fact, revision }) => [placeKey(fact), revision]));
  return (fact) => {
    if (fact.kind !== "table" && fact.kind !== "partition" && fact.kind !== "column") return null;
    if (isNamed(fact, acceptEmpty)) return null;
    const maker = makers.get(placeKey(fact)) ?? null;
    const earlier = maker === null ? new Set<string>() : ancestors(history, [maker]);
    // What ran before this was there has not written to it.
    const writer = writers.find((id) => (id === maker || !earlier.has(id)) && mayWrite(id, fact));
    if (writer === undefined) return null;
    const name = fact.kind === "column" ? `${fact.object}.${fact.name}` : fact.object;
    return `data migration ${nameRevision(writer, history)} may have written to it, and made anew it is empty; --accept-empty '${name}' if that is right`;
  };

  /** Of one that only changes what is there it is known where. */
  function mayWrite(id: string, { object }: Fact): boolean {
    const own = traces.get(id) ?? [];
    if (own.length === 0) return true;
    return own.some(
      (trace) =>
        trace.kind === "rows" ||
        trace.besides ||
        trace.unless.some(({ table }) => table === object),
    );
  }
}
