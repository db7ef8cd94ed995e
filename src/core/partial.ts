import { oursIn } from "./extras.ts";
import { type Fact, isInvalidIndex, isPrerequisite, placeKey, schemaOf } from "./facts.ts";
import { ancestors, type History, maximal } from "./history.ts";
import { changeOf, factsOfHeads, type OpenLedger, touchesRows } from "./ledger.ts";
import { asSeen, type LiveSchema } from "./live-schema.ts";
import { progressTable } from "./migration.ts";
import type { Situation } from "./situation.ts";
import { unquoted } from "./sketch.ts";
import type { Change, Leftover, Verdict } from "./verdict.ts";

/** A tool marks its table while a migration runs, and leaves the mark where one has failed. */
export function dirtyTable({ seen }: Situation, table: DirtyTable | null): Verdict | null {
  if (table?.isDirty !== true) return null;
  const place = `${table.schema}.${table.name}`;
  const version = (table.rows ?? []).map((row) => row ?? "NULL").join(", ");
  return { ...seen, kind: "partial", left: { kind: "dirty", table: place, version } };
}

type DirtyTable = {
  readonly schema: string;
  readonly name: string;
  readonly rows: readonly (string | null)[] | null;
  readonly isDirty: boolean;
};

/** A migration that began and has not ended, as our own runner or the note of a run with a program says. */
export function interruption(situation: Situation): Verdict | null {
  const { history, observation, claim, table, seen } = situation;
  if (history.tool.appliedBy === "program") return beginning(situation);
  const open = observation.progress.filter(({ version }) => !claim.applied.has(version));
  const inOrder = [...history.revisions.values()].flatMap(
    ({ id }) => open.find(({ version }) => version === id) ?? [],
  );
  const asBegun = inOrder.find(
    ({ version, checksum }) => history.revisions.get(version)?.hash === checksum,
  );
  const progress = asBegun ?? inOrder[0] ?? open[0];
  if (progress === undefined) return null;
  const revision = history.revisions.get(progress.version);
  const left = {
    kind: "interrupted",
    progress,
    others: open.filter((each) => each !== progress).map(({ version }) => version),
    table: `${table?.schema ?? observation.home.schema}.${progressTable}`,
    file: revision?.file ?? null,
    isEdited: revision?.hash !== progress.checksum,
    indexes: leftoverIndexes(situation),
  } as const;
  return { ...seen, kind: "partial", left };
}

/** Before its parents are recorded it cannot have begun. What the schema itself shows of a revision's middle says more. */
function beginning(situation: Situation): Verdict | null {
  const { history, observation, claim, ledger, live, pending, seen } = situation;
  const begun = observation.progress.find(
    ({ version }) =>
      !claim.applied.has(version) &&
      history.needs.get(version)?.every((id) => claim.applied.has(id)) === true,
  );
  const revision = history.revisions.get(begun?.version ?? "");
  if (revision === undefined || claim.unknownRows.length > 0) return null;
  const invalid = invalidIndexes(situation);
  if (invalid !== null) return invalid;
  const half =
    ledger === null || live === null ? null : findHalfDone(ledger, history, claim.applied, live);
  const { id, file } = revision;
  const after = maximal(history, [...claim.applied, id]);
  const left = half ?? { kind: "begun", revision: id, file, heads: after, pending };
  return { ...seen, kind: "partial", left };
}

export function invalidIndexes(situation: Situation): Verdict | null {
  const indexes = leftoverIndexes(situation);
  return indexes.length === 0
    ? null
    : {
        ...situation.seen,
        kind: "partial",
        left: { kind: "invalid-index", indexes, applied: madeOf(situation, indexes) },
      };
}

function leftoverIndexes(situation: Situation): readonly Fact[] {
  const { observation } = situation;
  return observation.facts.filter(
    (fact) =>
      isInvalidIndex(fact) &&
      !observation.buildingIndexes.includes(indexName(fact)) &&
      isWantedIndex(situation, fact),
  );
}

/** An index of its name is one of the history's, and not left INVALID by the history itself. */
function isWantedIndex(situation: Situation, fact: Fact): boolean {
  const { ledger, live } = situation;
  if (ledger === null || live === null) return isOnTableOfFiles(situation, fact);
  return (
    live.unknownFacts.includes(fact) && oursIn(ledger.facts).makesIndex(fact.object, fact.name)
  );
}

function isOnTableOfFiles({ history, observation }: Situation, { object }: Fact): boolean {
  const schema = observation.home.schema;
  return [...history.revisions.values()].some(({ sketch }) =>
    sketch.some(
      ({ table: named }) => `${named.schema ?? schema}.${named.name}` === unquoted(object),
    ),
  );
}

function madeOf({ ledger, expected }: Situation, indexes: readonly Fact[]): readonly Fact[] {
  if (ledger === null || expected === null) return [];
  const made = oursIn([...expected].map((position) => ledger.facts[position]!));
  return indexes.filter(({ object, name }) => made.makesIndex(object, name));
}

function indexName(fact: Fact): string {
  return `${schemaOf(fact)}.${fact.name}`;
}

/**
 * The revision of whose change a part is done and a part is not, everything else being in place.
 * @param claimed what the rows say was applied; a revision that they claim has finished and cannot be half
 * done. Empty: there are no rows, so every revision comes into question.
 */
export function findHalfDone(
  ledger: OpenLedger,
  history: History,
  claimed: ReadonlySet<string>,
  live: LiveSchema,
): (Leftover & { kind: "half-done" }) | null {
  const isHard = (position: number): boolean =>
    !ledger.soft[position] && !live.ignored.has(position);
  const surplusCounts = (position: number): boolean =>
    isHard(position) && !isPrerequisite(ledger.facts[position]!);
  const unknownPlaces = new Set(live.unknownFacts.map(placeKey));

  for (const [id, { saysIfNotExists }] of history.revisions) {
    if (claimed.has(id)) continue;
    // What it finds, it leaves; what is missing, it makes. Rows it may have written before it stopped.
    if (saysIfNotExists && !touchesRows(ledger, id)) continue;
    const below = maximal(history, [
      ...claimed,
      ...ancestors(history, history.needs.get(id) ?? []),
    ]);
    const before = factsOfHeads(ledger, history, below);
    const change = changeOf(ledger, history, id);
    if (before === null || change === null) continue;
    const added = new Set(change.added.filter(isHard));
    const dropped = new Set(change.dropped.filter(isHard));
    const there = asSeen(live, before);
    const gone = [...there].filter((fact) => isHard(fact) && !live.known.has(fact));
    const surplus = [...live.known].filter((fact) => surplusCounts(fact) && !there.has(fact));
    if (!gone.every((fact) => dropped.has(fact)) || !surplus.every((fact) => added.has(fact)))
      continue;

    const changes: readonly (Change & { readonly isDone: boolean })[] = [
      ...[...added].map((fact) => step("adds", fact, live.known.has(fact))),
      ...[...dropped].map((fact) => step("drops", fact, !live.known.has(fact))),
    ];
    if (changes.some(({ fact }) => unknownPlaces.has(placeKey(fact)))) continue;
    const done = changes.filter(({ isDone }) => isDone);
    const undone = changes.filter(({ isDone }) => !isDone);
    if (done.some(({ fact }) => !isPrerequisite(fact)) && undone.length > 0)
      return { kind: "half-done", revision: id, done, undone };
  }
  return null;

  function step(kind: Change["kind"], position: number, isDone: boolean) {
    return { kind, fact: ledger.facts[position]!, isDone };
  }
}
