import type { History } from "./history.ts";
import type { Ledger, LedgerRevision, State } from "./ledger.ts";
import { numberOf, partsOf } from "./migration-tool.ts";
import type { Progress } from "./migration.ts";
import type { VersionTable } from "./observation.ts";
import type { Revision } from "./revision.ts";

/** A version as a row or a ledger has it, and what else says which file it is. */
type Written = {
  readonly version: string;
  /** What the file was called behind its number; "": nobody says. */
  readonly name: string;
  /** Of its text; null: nobody says. */
  readonly hash: string | null;
};

type Known = Pick<Revision, "id" | "file" | "hash">;

/**
 * What this history calls each version. A number is the same however many zeros it has; where several files have it, the name
 * tells which of them is meant, and where that is another one by now, the text. What nobody can tell stays a bare number.
 * @returns by version as written; those that stay as they are may be left out
 */
function spellingsOf(
  written: readonly Written[],
  known: readonly Known[],
): ReadonlyMap<string, string> {
  const files = groupByNumber(known, ({ id }) => id);
  const spellings = new Map<string, string>();
  for (const [number, rows] of groupByNumber(written, ({ version }) => version))
    for (const [version, id] of spellNumber(rows, files.get(number) ?? []))
      spellings.set(version, id);
  return spellings;
}

/** Versions and files of one number. */
function* spellNumber(
  written: readonly Written[],
  files: readonly Known[],
): Generator<readonly [string, string]> {
  if (files.length === 0) return;
  const certain = new Map<string, string>();
  const claimed = new Set<string>();
  const claim = (version: string, id: string): void => {
    certain.set(version, id);
    claimed.add(id);
  };
  const isBare = ({ version }: Written): boolean => partsOf(version).name === "";
  const withText = ({ hash }: Written): readonly Known[] =>
    files.filter((file) => file.hash === hash);
  const named = (each: Written): Known | undefined =>
    files.find((file) => calledIn(each) !== "" && nameOf(file) === calledIn(each));
  for (const each of written) {
    const file = isBare(each) ? undefined : named(each);
    if (file !== undefined) claim(each.version, file.id);
  }
  // A name may have gone over to another file: one that has the text, or one that has a row of its own.
  const exact = new Set(claimed);
  for (const each of written) {
    const file = isBare(each) ? named(each) : undefined;
    const same = withText(each);
    const isAnothers = same.length > 0 && !same.some((one) => one === file);
    if (file !== undefined && !isAnothers && !exact.has(file.id)) claim(each.version, file.id);
  }
  for (const each of written) {
    if (certain.has(each.version)) continue;
    const [only, another] = withText(each).filter(({ id }) => !claimed.has(id));
    if (only !== undefined && another === undefined) claim(each.version, only.id);
  }
  yield* certain;
  const [only, another] = files;
  for (const each of written) {
    if (only === undefined || another !== undefined) return;
    if (certain.has(each.version) || !isBare(each)) continue;
    // Another row is this file by its name: then this one was another's.
    const id = claimed.has(only.id) ? `${each.version}_${calledIn(each)}` : only.id;
    yield [each.version, id];
  }
}

function calledIn({ version, name }: Written): string {
  return partsOf(version).name || name;
}

function nameOf({ file }: Pick<Known, "file">): string {
  return partsOf(file.slice(file.lastIndexOf("/") + 1)).name;
}

/** What is no number is left out. */
export function groupByNumber<Item>(
  items: Iterable<Item>,
  versionOf: (item: Item) => string,
): ReadonlyMap<bigint, readonly Item[]> {
  const groups = new Map<bigint, Item[]>();
  for (const item of items) {
    const number = numberOf(partsOf(versionOf(item)).number);
    if (number === null) continue;
    const group = groups.get(number);
    if (group === undefined) groups.set(number, [item]);
    else group.push(item);
  }
  return groups;
}

// Rows

/** A version table as it came from the database, in the history's spelling. */
export function tableAsSpelled(
  { history, ledger }: { readonly history: History; readonly ledger: Ledger | null },
  table: VersionTable,
): VersionTable {
  const { tool, revisions } = history;
  if (tool.versions === "texts" || table.rows === null) return table;
  const rows = table.stored.filter((row) => row !== null);
  if (rows.every((row) => revisions.has(row))) return table;
  const written = rows.map((version) => ({
    version,
    name: table.fileNames.get(version) ?? "",
    hash: table.digests.get(version) ?? null,
  }));
  const spellings = spellingsOf(written, knownOf(history, ledger));
  const spell = (row: string): string => spellings.get(row) ?? row;
  return {
    ...table,
    rows: table.stored.map((row) => (row === null ? null : spell(row))),
    digests: new Map([...table.digests].map(([row, digest]) => [spell(row), digest])),
  };
}

/**
 * Notes of what has begun, in the history's spelling: by the text that began. Of what has a row by now, none is left: it ended.
 * @param table in any spelling
 */
export function progressAsSpelled(
  { tool, revisions }: History,
  table: Pick<VersionTable, "stored"> | null,
  progress: readonly Progress[],
): readonly Progress[] {
  if (tool.versions === "texts" || progress.length === 0) return progress;
  const files = groupByNumber(revisions.values(), ({ id }) => id);
  const noted = new Set(progress.map(({ version }) => version));
  return progress.flatMap((each) => {
    const { version, checksum } = each;
    if (table?.stored.includes(version) === true) return [];
    const sharing = files.get(numberOf(partsOf(version).number) ?? -1n) ?? [];
    const [only, another] = sharing.filter(({ hash }) => hash === checksum);
    if (revisions.has(version) || only === undefined || another !== undefined) return [each];
    // A newer note says how far it came since.
    return noted.has(only.id) ? [] : [{ ...each, version: only.id }];
  });
}

/** The image's own revisions; of numbers that it has no more, those that the ledger remembers. */
function knownOf(history: History, ledger: Ledger | null): readonly Known[] {
  const present = [...history.revisions.values()];
  const numbers = groupByNumber(present, ({ id }) => id);
  const gone = [...(ledger?.revisions.values() ?? [])].filter(({ id }) => {
    const number = numberOf(partsOf(id).number);
    return number === null || !numbers.has(number);
  });
  return [...present, ...gone];
}

/** The rows of which nobody can tell which of several files of one number they are. */
export function rowsInDoubt(
  { tool, revisions }: History,
  rows: readonly string[],
): readonly RowInDoubt[] {
  if (tool.versions === "texts" || rows.every((row) => revisions.has(row))) return [];
  const files = groupByNumber(revisions.values(), ({ id }) => id);
  return rows.flatMap((row) => {
    const { number, name } = partsOf(row);
    const value = numberOf(number);
    const sharing = (value === null ? undefined : files.get(value)) ?? [];
    return name !== "" || sharing.length < 2 ? [] : [{ row, ids: sharing.map(({ id }) => id) }];
  });
}

/**
 * A row of one of several files that is taken for the past of a file that is gone, while a file of its number has no row: renamed
 * in one image and edited in a later one, it would run again.
 */
export function pastInDoubt(
  { tool, revisions }: History,
  {
    withoutFile,
    applied,
  }: { readonly withoutFile: readonly string[]; readonly applied: ReadonlySet<string> },
): readonly RowInDoubt[] {
  if (tool.versions === "texts" || withoutFile.length === 0) return [];
  const files = groupByNumber(revisions.keys(), (id) => id);
  return withoutFile.flatMap((row) => {
    const { number, name } = partsOf(row);
    const sharing = name === "" ? [] : (files.get(numberOf(number) ?? -1n) ?? []);
    const ids = sharing.filter((id) => !applied.has(id));
    return ids.length === 0 ? [] : [{ row, ids }];
  });
}

export type RowInDoubt = { readonly row: string; readonly ids: readonly string[] };

/** The versions as the table has them, or is to have them, for these of the history's. */
export function toStored(
  rows: readonly string[],
  table: Pick<VersionTable, "rows" | "stored"> | null,
): readonly string[] {
  const stored = new Map<string, string[]>();
  for (const [index, row] of (table?.rows ?? []).entries()) {
    const each = table?.stored[index] ?? null;
    if (row !== null && each !== null) stored.set(row, [...(stored.get(row) ?? []), each]);
  }
  return rows.flatMap((row) => stored.get(row) ?? [row]);
}

// The ledger

/** A ledger that was baked when this history's versions were spelled in another way. */
export function ledgerAsSpelled(ledger: Ledger, history: History): Ledger {
  const { tool, revisions } = history;
  if (tool.versions === "texts" || ledger.tool !== tool.name) return ledger;
  const baked = [...ledger.revisions.values()];
  if (baked.every(({ id }) => revisions.has(id))) return ledger;
  const written = baked.map(({ id, file, hash }) => ({
    version: id,
    name: nameOf({ file }),
    hash,
  }));
  const spellings = new Map<string, string>();
  const taken = new Set(ledger.revisions.keys());
  for (const [before, now] of spellingsOf(written, [...revisions.values()])) {
    // Two stay two: of a file that had its number in several spellings, the earlier ones are retired.
    if (taken.has(now)) continue;
    spellings.set(before, now);
    taken.add(now);
  }
  if (spellings.size === 0) return ledger;
  const spell = (id: string): string => spellings.get(id) ?? id;
  const spellRevision = (revision: LedgerRevision): LedgerRevision => ({
    ...revision,
    id: spell(revision.id),
    parents: revision.parents.map(spell),
  });
  const spellState = (state: State): State => ({
    ...state,
    heads: state.heads.map(spell),
    traces: new Map([...state.traces].map(([id, traces]) => [spell(id), traces])),
  });
  return {
    ...ledger,
    without: new Map(
      [...ledger.without].map(([name, { created, dropped }]) => [
        name,
        { created: created.map(spell), dropped: dropped.map(spell) },
      ]),
    ),
    states: ledger.states.map(spellState),
    revisions: new Map(baked.map(spellRevision).map((each) => [each.id, each])),
  };
}
