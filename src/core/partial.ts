import { oursIn } from "./extras.ts";
import { type Fact, isInvalidIndex, isPrerequisite, placeKey, schemaOf } from "./facts.ts";
import { maximal } from "./history.ts";
import { changeOf, factsAt, factsOfHeads, touchesRows } from "./ledger.ts";
import { asSeen } from "./live-schema.ts";
import { progressTable } from "./migration.ts";
import type { VersionTable } from "./observation.ts";
import type { Situation } from "./situation.ts";
import { unquoted } from "./sketch.ts";
import type { Change, Leftover, Verdict } from "./verdict.ts";
import { nameTable } from "./version-table.ts";

/** A tool marks its table while a migration runs, and leaves the mark where one has failed. */
export function dirtyTable({ seen }: Situation, table: DirtyTable | null): Verdict | null {
  if (table?.isDirty !== true) return null;
  const version = (table.rows ?? []).map((row) => row ?? "NULL").join(", ");
  return { ...seen, kind: "partial", left: { kind: "dirty", table: nameTable(table), version } };
}

type DirtyTable = Pick<VersionTable, "schema" | "name" | "rows" | "isDirty">;

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
  const { history, observation, claim, pending, seen } = situation;
  const begun = observation.progress.find(
    ({ version }) =>
      !claim.applied.has(version) &&
      history.needs.get(version)?.every((id) => claim.applied.has(id)) === true,
  );
  const revision = history.revisions.get(begun?.version ?? "");
  if (revision === undefined || claim.unknownRows.length > 0) return null;
  const invalid = invalidIndexes(situation);
  if (invalid !== null) return invalid;
  const { id, file } = revision;
  const heads = maximal(history, [...claim.applied, id]);
  const half = findHalfDone(situation);
  const left = half ?? { kind: "begun", revision: id, file, heads, pending };
  return { ...seen, kind: "partial", left };
}

export function invalidIndexes(situation: Situation): Verdict | null {
  const indexes = leftoverIndexes(situation);
  if (indexes.length === 0) return null;
  const left = { kind: "invalid-index", indexes, applied: madeOf(situation, indexes) } as const;
  return { ...situation.seen, kind: "partial", left };
}

function leftoverIndexes(situation: Situation): readonly Fact[] {
  const { observation } = situation;
  return observation.facts.filter(
    (fact) =>
      isInvalidIndex(fact) &&
      !observation.buildingIndexes.includes(`${schemaOf(fact)}.${fact.name}`) &&
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
  const made = oursIn(factsAt(ledger, expected));
  return indexes.filter(({ object, name }) => made.makesIndex(object, name));
}

/**
 * The revision of whose change a part is done and a part is not, everything else being in place. One that the rows claim has
 * finished and cannot be half done; where there are no rows, every revision comes into question.
 */
export function findHalfDone(situation: Situation): (Leftover & { kind: "half-done" }) | null {
  const { history, claim, ledger, live } = situation;
  if (ledger === null || live === null) return null;
  const isHard = (position: number): boolean =>
    !ledger.soft[position] && !live.ignored.has(position);
  const surplusCounts = (position: number): boolean =>
    isHard(position) && !isPrerequisite(ledger.facts[position]!);
  const changesTo = (positions: ReadonlySet<number>, kind: Change["kind"]) =>
    Array.from(positions, (position) => {
      const isDone = live.known.has(position) === (kind === "adds");
      return { kind, fact: ledger.facts[position]!, isDone };
    });
  const unknownPlaces = new Set(live.unknownFacts.map(placeKey));

  for (const [id, { saysIfNotExists }] of history.revisions) {
    if (claim.applied.has(id)) continue;
    // What it finds, it leaves; what is missing, it makes. Rows it may have written before it stopped.
    if (saysIfNotExists && !touchesRows(ledger, id)) continue;
    const below = maximal(history, [...claim.applied, ...(history.needs.get(id) ?? [])]);
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

    const changes = [...changesTo(added, "adds"), ...changesTo(dropped, "drops")];
    if (changes.some(({ fact }) => unknownPlaces.has(placeKey(fact)))) continue;
    const done = changes.filter(({ isDone }) => isDone);
    const undone = changes.filter(({ isDone }) => !isDone);
    if (done.some(({ fact }) => !isPrerequisite(fact)) && undone.length > 0)
      return { kind: "half-done", revision: id, done, undone };
  }
  return null;
}
