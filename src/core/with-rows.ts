import { editedFiles } from "./data-migrations.ts";
import {
  type Difference,
  differences,
  lackingOfDeployment,
  type SchemaDifference,
} from "./difference.ts";
import { placesInDoubt } from "./elsewhere.ts";
import { someHoldRows } from "./facts.ts";
import { ancestors, type Heads } from "./history.ts";
import { hasSameSoftFacts, identify, type SoftSearch } from "./identify.ts";
import type { LiveSchema } from "./live-schema.ts";
import { findHalfDone } from "./partial.ts";
import {
  equals,
  includesTheClaim,
  passedOver,
  type Situation,
  unknown,
  unlessStale,
} from "./situation.ts";
import { type Finding, statesOf, type Verdict, type VerdictOf } from "./verdict.ts";
import { nameTable } from "./version-table.ts";

/** The rows name revisions of this history: does the schema agree? */
export function withRows(situation: Situation): Verdict {
  const { knowledge, observation, history, claim, ledger, live, expected } = situation;
  if (ledger === null || live === null || expected === null)
    return asRecorded(situation, editedFiles(knowledge, situation, null));
  const lacking = lackingOfDeployment(ledger, expected, live, observation.role.name);
  if (equals(ledger, expected, live))
    return asRecorded(situation, [...lacking, ...editedFiles(knowledge, situation, [])]);
  const compared = { ledger, history, live };
  const found = differences(ledger, history, claim.applied, expected, live);
  const isTolerable = found.every((difference) => difference.tolerable);
  const isOwnState = found.every(
    ({ kind, fact }) => kind === "extra" && live.unknownFacts.includes(fact),
  );
  const all = [...found, ...lacking, ...editedFiles(knowledge, situation, found)];
  if (isOwnState && isTolerable) return asRecorded(situation, all);

  const identified = unlessStale(situation, identify({ ...compared, recorded: null, answers: [] }));
  if (isAnotherState(identified, live)) {
    const others = seemsAnotherApplications(situation);
    if (others !== null) return others;
    const mismatch = mismatched(situation, identified, found);
    if (identified.kind === "proven" && mismatch.dataMigrations.length === 0) return mismatch;
    // An index or a view that a revision drops may be somebody's who still needs it. A column or a table says that it did not run.
    const extras = found.filter(({ kind }) => kind === "extra").map(({ fact }) => fact);
    if (someHoldRows(extras, ledger.facts)) return mismatch;
    if (commentsTell(identified, claim.heads, compared)) return mismatch;
    return isTolerable && !isPastTheRows(situation, identified)
      ? asRecorded(situation, all)
      : mismatch;
  }
  const left = isTolerable ? null : findHalfDone(situation);
  return left === null ? asRecorded(situation, all) : { ...situation.seen, kind: "partial", left };
}

/** What the rows say holds; what differs all the same is tolerable, or drift. */
function asRecorded(situation: Situation, differences: readonly Difference[]): Verdict {
  const { claim, pending, seen } = situation;
  const { heads, skipped } = claim;
  const asClaimed = { ...seen, heads, pending, skipped, differences };
  if (differences.some(({ tolerable }) => !tolerable)) return { ...asClaimed, kind: "drifted" };
  const redundant = withoutOnce(seen.recorded, heads);
  if (redundant.length > 0) return { ...seen, kind: "overlapping", heads, redundant, pending };
  if (pending.length > 0) return { ...asClaimed, kind: "behind" };
  return differences.length > 0
    ? { ...asClaimed, kind: "drifted" }
    : { ...seen, kind: "current", heads };
}

function mismatched(
  situation: Situation,
  identified: Finding,
  found: readonly SchemaDifference[],
): VerdictOf<"mismatched"> {
  const { claim, seen } = situation;
  const goesForwards =
    identified.kind === "proven" && includesTheClaim(situation, identified.heads);
  return {
    ...seen,
    kind: "mismatched",
    claimed: claim.heads,
    skipped: claim.skipped,
    lacking: goesForwards ? [] : found.filter(({ kind }) => kind === "missing"),
    identified,
    elsewhere: goesForwards ? [] : placesInDoubt(situation, "taken back"),
    ...passedOver(situation, identified),
  };
}

/** An empty state beside somebody else's objects proves nothing. */
function isAnotherState(identified: Finding, { unknownFacts }: LiveSchema): boolean {
  if (identified.kind === "nearest" || identified.kind === "sketched") return false;
  return identified.kind !== "proven" || identified.heads.length > 0 || unknownFacts.length === 0;
}

/** Numbers are everybody's, and not one of the texts is ours. */
function seemsAnotherApplications(situation: Situation): Verdict | null {
  const { table, rows, claim, edited } = situation;
  if (table === null || edited.length === 0 || edited.length < claim.applied.size) return null;
  const why = `${nameTable(table)} says ${rows.join(", ")}, with other texts than the files of this image have, and the schema is exactly what other files make: it seems to be another application's`;
  return { ...unknown(situation, [], why), isOthersTable: true };
}

/** Several later states have these facts, and rows may have been written on the way: what is pending would write them again. */
function isPastTheRows(situation: Situation, finding: Finding): boolean {
  const { history, claim } = situation;
  return (
    finding.kind === "ambiguous" &&
    finding.candidates.every(
      (heads) =>
        ancestors(history, heads).size > claim.applied.size && includesTheClaim(situation, heads),
    )
  );
}

/** All that could tell the one state from the other speaks for the earlier one. */
function commentsTell(finding: Finding, claimed: Heads, compared: SoftSearch): boolean {
  return (
    statesOf(finding).some((each) => hasSameSoftFacts(each, compared)) &&
    !hasSameSoftFacts(claimed, compared)
  );
}

/** The rows that are left when each of `kept` is taken out once: ancestors, and second copies. */
function withoutOnce(rows: readonly string[], kept: readonly string[]): readonly string[] {
  const once = new Set(kept);
  return rows.filter((row) => !once.delete(row));
}
