import { type Claim, claimOf, factsOfClaim, recordedOf } from "./claim.ts";
import { dataPassedOver, editedRevisions, nothingPassedOver } from "./data-migrations.ts";
import { isPrerequisite } from "./facts.ts";
import { ancestors, type Heads, type History } from "./history.ts";
import type { Identification } from "./identify.ts";
import type { Knowledge } from "./knowledge.ts";
import type { OpenLedger } from "./ledger.ts";
import { withoutLibraries } from "./library-tables.ts";
import { asSeen, recognise, type LiveSchema } from "./live-schema.ts";
import { neighbourOf } from "./neighbour.ts";
import type { NeighbourTable, Observation, VersionTable } from "./observation.ts";
import type { Finding, PassedOver, VerdictOf } from "./verdict.ts";

/** What the image knows and what the look has seen, side by side: all that a diagnosis rests on. */
export type Situation = {
  readonly knowledge: Knowledge;
  readonly observation: Observation;
  readonly history: History;
  readonly table: VersionTable | null;
  readonly rows: readonly string[];
  readonly claim: Claim;
  readonly pending: readonly string[];
  /** See `editedRevisions`. */
  readonly edited: readonly string[];
  /** Null, as `live` is: there is none that holds for this database. */
  readonly ledger: OpenLedger | null;
  readonly live: LiveSchema | null;
  /** The facts that the rows stand for; null: the ledger does not know all of them. */
  readonly expected: ReadonlySet<number> | null;
  readonly neighbour: NeighbourTable | null;
  /** What every verdict says. */
  readonly seen: { readonly recorded: readonly string[]; readonly verified: boolean };
};

export function situate(knowledge: Knowledge, look: Observation): Situation {
  const { history, ledger, platformSchemas } = knowledge;
  const { versionTable: table, server } = look;
  const facts = withoutLibraries(knowledge, look.facts);
  const observation = { ...look, facts };
  const rows = (table?.rows ?? []).map((row) => row ?? "NULL");
  const claim = claimOf(history, rows);
  const expected = ledger && factsOfClaim(ledger, history, claim);
  return {
    knowledge,
    observation,
    history,
    table,
    rows,
    claim,
    pending: [...history.revisions.keys()].filter((id) => !claim.applied.has(id)),
    edited: editedRevisions(knowledge, claim, table),
    ledger,
    live: ledger && recognise(ledger, facts, server.version, platformSchemas),
    expected,
    neighbour: neighbourOf(history, observation),
    seen: { recorded: recordedOf(history, rows), verified: expected !== null },
  };
}

export function unknown(
  { seen }: Situation,
  unknownRows: readonly string[],
  why: string,
): VerdictOf<"unknown"> {
  const plain = { isOthersTable: false, inDoubt: [], elsewhere: [] };
  return { ...seen, kind: "unknown", unknownRows, why, ...plain };
}

/** Data migrations that a stamp to what was found would skip, or make run again. */
export function passedOver(
  { history, observation, claim, edited, ledger }: Situation,
  identified: Finding,
): PassedOver {
  if (ledger === null || identified.kind !== "proven") return nothingPassedOver;
  const basis = { ledger, history, answers: observation.rows ?? [] };
  return dataPassedOver(claim, edited, identified.heads, basis);
}

export function includesTheClaim({ history, claim }: Situation, heads: Heads): boolean {
  const state = ancestors(history, heads);
  return [...claim.applied].every((id) => state.has(id));
}

/** A revision that is not in the ledger may have run and left no trace: then nobody knows at which of them this is. */
export function unlessStale({ history, ledger }: Situation, identified: Identification): Finding {
  if (identified.kind !== "proven" || ledger === null || ledger.lacking.size === 0)
    return identified;
  const state = ancestors(history, identified.heads);
  const mayHaveRun = [...ledger.lacking].some((id) =>
    [...ancestors(history, [id])].every((each) => ledger.lacking.has(each) || state.has(each)),
  );
  return mayHaveRun
    ? { kind: "sketched", why: "stale", probably: identified.heads[0] ?? null, absent: [] }
    : identified;
}

/** The common case, kept cheap: the live schema is exactly the expected one. */
export function equals(
  ledger: OpenLedger,
  expected: ReadonlySet<number>,
  live: LiveSchema,
): boolean {
  if (live.unknownFacts.length > 0) return false;
  const wanted = asSeen(live, expected);
  for (const fact of wanted)
    if (!ledger.soft[fact] && !live.ignored.has(fact) && !live.known.has(fact)) return false;
  for (const fact of live.known)
    if (!ledger.soft[fact] && !wanted.has(fact) && !isPrerequisite(ledger.facts[fact]!))
      return false;
  return true;
}
