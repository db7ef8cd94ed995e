import { claimOf, factsOfClaim, recordsEveryRevision } from "./claim.ts";
import { nothingPassedOver } from "./data-migrations.ts";
import { differences, type SchemaDifference } from "./difference.ts";
import { placesInDoubt } from "./elsewhere.ts";
import { type Heads, pendingAfter } from "./history.ts";
import type { SoftSearch } from "./identify.ts";
import { broughtBy, isOf, type JournalEntry } from "./journal.ts";
import type { Knowledge } from "./knowledge.ts";
import { changeOf, factsOfHeads, factsOfState, headsKey, touchesRows } from "./ledger.ts";
import { appliedByLedger, needsOf } from "./missing-files.ts";
import type { VersionTable } from "./observation.ts";
import { includesTheClaim, passedOver, type Situation, unknown } from "./situation.ts";
import { type Finding, statesOf, type Verdict } from "./verdict.ts";
import { keyOf } from "./version-table.ts";
import { identifyLive, sayOtherTools } from "./without-rows.ts";

/** Rows that no file has: of a newer image, a branch, a deleted file, another application. Null: there are none. */
export function withUnknownRows(situation: Situation): Verdict | null {
  const { knowledge, history, claim, ledger, live, pending, seen } = situation;
  const { unknownRows } = claim;
  if (unknownRows.length === 0) return null;
  const besides = besidesTheHead(situation);
  if (besides !== null) {
    const atHead = { ...seen, heads: seen.recorded, verified: true };
    return besides.length === 0
      ? { ...atHead, kind: "current" }
      : { ...atHead, kind: "drifted", pending: [], skipped: [], differences: besides };
  }
  const identified = identifyLive(situation);
  const gone = unknownRows.filter((id) => knowledge.ledger?.revisions.has(id));
  if (gone.length === unknownRows.length) return missingFile(situation, gone, identified);
  const states = statesOf(identified);
  const isEarlierState =
    live?.unknownFacts.length === 0 &&
    states.length > 0 &&
    states.every((heads) => isEarlier(situation, heads));
  if (isEarlierState && identified.kind === "proven")
    return missingFile(situation, unknownRows, identified);
  const needed = ledger && factsOfHeads(ledger, history, history.heads);
  if (ledger === null || live === null || needed === null) {
    const lacks = ledger === null ? "there is no ledger" : "the ledger is stale";
    const why = `no file of this image has ${unknownRows.join(", ")}, and ${lacks}, so the schema cannot say more`;
    return unknown(situation, unknownRows, why);
  }
  const all = new Set(history.revisions.keys());
  const lacking = differences(ledger, history, all, needed, live).filter(
    ({ kind }) => kind === "missing" || kind === "changed",
  );
  // Several states that differ by data, with something that the head has no more: in a newer database it would be gone.
  if (isEarlierState && lacking.length === 0)
    return missingFile(situation, unknownRows, identified);
  const hardNeeded = [...needed].filter((fact) => !ledger.soft[fact] && !live.ignored.has(fact));
  const brought = broughtHere(situation);
  const isHere = lacking.length * 2 <= hardNeeded.length || brought !== null;
  if (hardNeeded.length === 0 || !isHere) {
    const why = `no file and no ledger entry of this image has ${unknownRows.join(", ")}, and less than half of what it needs is here${sayOtherTools(situation)}`;
    return unknown(situation, unknownRows, why);
  }
  const unrecorded = recordsEveryRevision(history.tool) ? pending : [];
  const notRun = notSeenToRun(situation, unrecorded, needed);
  return { ...seen, kind: "ahead", unknownRows, lacking, unrecorded, notRun, broughtBy: brought };
}

/** The entry of the journal that says that it was this history that went on. That something is missing, it does not excuse. */
function broughtHere({ knowledge, observation, history, claim }: Situation): JournalEntry | null {
  const { journal, versionTable } = observation;
  if (journal === null || versionTable === null) return null;
  const key = keyOf(history.tool, observation, versionTable);
  const isKnown = (row: string): boolean =>
    history.revisions.has(row) || knowledge.ledger?.revisions.has(row) === true;
  const own = journal.filter((entry) => isOf(entry, key));
  return broughtBy(claim.unknownRows, own, isKnown);
}

function isEarlier(situation: Situation, heads: Heads): boolean {
  if (heads.length === 0 || pendingAfter(situation.history, heads).length === 0) return false;
  return !recordsEveryRevision(situation.history.tool) || includesTheClaim(situation, heads);
}

/**
 * All that the ledger calls live is recorded, and the schema is what that makes: only the files are not in the image.
 * @returns what is there besides and in nobody's way; null: so it is not
 */
function besidesTheHead(situation: Situation): readonly SchemaDifference[] | null {
  const { knowledge, history, rows, claim, ledger, live, seen } = situation;
  if (ledger === null || live === null) return null;
  if (!claim.unknownRows.every((id) => knowledge.unfiled.includes(id))) return null;
  const state = ledger.stateByHeads.get(headsKey(lastOf(knowledge, seen.recorded)));
  const applied = appliedByLedger(knowledge, rows);
  if (state === undefined) return null;
  if (![...knowledge.unfiled, ...history.revisions.keys()].every((id) => applied.has(id)))
    return null;
  return harmlessExtras({ ledger, history, live }, applied, factsOfState(ledger, state));
}

/** Of a schema that is what these revisions make, what nobody's revision has added and harms nothing; null: it is not that. */
function harmlessExtras(
  { ledger, history, live }: SoftSearch,
  applied: ReadonlySet<string>,
  made: ReadonlySet<number>,
): readonly SchemaDifference[] | null {
  const found = differences(ledger, history, applied, made, live);
  const isHarmless = found.every(
    ({ kind, fact, tolerable }) =>
      kind === "extra" && tolerable && live.unknownFacts.includes(fact),
  );
  return isHarmless ? found : null;
}

/** Those of these revisions on which no other of them stands, sorted. */
function lastOf(knowledge: Knowledge, ids: readonly string[]): Heads {
  const below = appliedByLedger(
    knowledge,
    ids.flatMap((id) => needsOf(knowledge, id)),
  );
  return ids.filter((id) => !below.has(id)).sort();
}

/** Where every file has a row, one that has none did not run: unless all that it does is done, and shows. */
function notSeenToRun(
  { history, ledger, live }: Situation,
  unrecorded: readonly string[],
  needed: ReadonlySet<number>,
): readonly string[] {
  if (ledger === null) return [];
  return unrecorded.filter((id) => {
    const dropped = changeOf(ledger, history, id)?.dropped ?? [];
    const isStillThere = dropped.some(
      (fact) => live?.known.has(fact) === true && !needed.has(fact),
    );
    return isStillThere || touchesRows(ledger, id);
  });
}

/** Where every file has a row, the rows that have files still say which data migrations ran. */
function missingFile(situation: Situation, gone: readonly string[], identified: Finding): Verdict {
  const { history, seen } = situation;
  const passed = recordsEveryRevision(history.tool)
    ? passedOver(situation, identified)
    : nothingPassedOver;
  const elsewhere = placesInDoubt(situation, "taken back");
  return { ...seen, kind: "missing-file", gone, identified, elsewhere, ...passed };
}

/** With the numbers of files that have the same texts, the rows say just what the schema is. */
export function underOtherNumbers(situation: Situation): Verdict | null {
  const { knowledge, history, table, rows, ledger, live, seen } = situation;
  const same = renumberedRows(knowledge, table);
  if (same.size === 0 || ledger === null || live === null) return null;
  const meant = claimOf(
    history,
    rows.map((row) => same.get(row) ?? row),
  );
  const made = factsOfClaim(ledger, history, meant);
  if (meant.unknownRows.length > 0 || meant.skipped.length > 0 || made === null) return null;
  const extras = harmlessExtras({ ledger, history, live }, meant.applied, made);
  if (extras === null) return null;
  return {
    ...seen,
    kind: "missing-file",
    gone: [...same.keys()],
    identified: {
      kind: "proven",
      heads: meant.heads,
      by: "facts",
      extras,
    },
    elsewhere: [],
    ...nothingPassedOver,
  };
}

/**
 * Rows that no file has and that keep the very text of a file without a row: the same migration under another number, such as one
 * that Supabase's dashboard has recorded with a time of its own. Only where each text is that of one row and of one file.
 * @returns the file's id by the row's
 */
export function renumberedRows(
  { history, digests }: Knowledge,
  table: VersionTable | null,
): ReadonlyMap<string, string> {
  const rows = (table?.rows ?? []).filter((row) => row !== null);
  const unknownRows = idsByText(
    rows.filter((row) => !history.revisions.has(row)),
    table?.digests,
  );
  const files = idsByText(
    [...history.revisions.values()]
      .filter(({ id, isEmpty }) => !isEmpty && !rows.includes(id))
      .map(({ id }) => id),
    digests,
  );
  const same = new Map<string, string>();
  for (const [text, [row, another]] of unknownRows) {
    const [file, secondFile] = files.get(text) ?? [];
    if (row === undefined || file === undefined) continue;
    if (another === undefined && secondFile === undefined) same.set(row, file);
  }
  return same;
}

function idsByText(
  ids: readonly string[],
  digests: ReadonlyMap<string, string> | undefined,
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const id of ids) {
    const text = digests?.get(id);
    if (text !== undefined) found.set(text, [...(found.get(text) ?? []), id]);
  }
  return found;
}
