import { join, posix, relative } from "node:path";
import { auditSql, parseMigrations } from "../../audit/audit-sql.ts";
import { buildGraph } from "../../core/graph.ts";
import type { HistoryFault } from "../../core/history.ts";
import { type MigrationTool, numberOf } from "../../core/migration-tool.ts";
import type { Migration } from "../../core/migration.ts";
import { CannotJudge } from "../../core/outcome.ts";
import type { Revision } from "../../core/revision.ts";
import { groupByNumber } from "../../core/spelling.ts";
import { describeFault, enumerate } from "../../core/words.ts";
import { extensionStatementsIn } from "../../pgsql/extensions.ts";
import { readDeletedFiles } from "../deleted-files.ts";
import { readFacts } from "../file-text.ts";
import { openFile, type Unreadable, unreadable } from "../files.ts";
import { findMarks, nameOther, type OtherFile } from "../other-tools.ts";
import { titleOfName } from "../title.ts";
import type { Candidate, DeletedRevision, FoundHistory, Vouched } from "../tool.ts";
import {
  byVersion,
  listFiles,
  type NamedFile,
  type NumberedFiles,
  withName,
} from "./list-files.ts";
import { readMigrationFile } from "./migration-file.ts";

export function candidateOf(
  numbered: NumberedFiles,
  { place, ledgerDirectory }: Pick<Candidate, "place" | "ledgerDirectory">,
): Candidate {
  const read = async (vouched: Vouched) => await readDirectory(numbered, vouched);
  return { tool: numbered.tool, place, ledgerDirectory, read };
}

/** Where the ledger vouches for every file, none is parsed. */
async function readDirectory(numbered: NumberedFiles, vouched: Vouched): Promise<FoundHistory> {
  const { tool, root, digestOf } = numbered;
  const load = async (ids: readonly string[]): Promise<readonly Migration[]> =>
    await loadMigrations(ids, opened, numbered);
  const { files, others, warnings, remarks } = await listFiles(numbered);
  const opened = files.map((named) => openNamed(named, root));
  const read = isVouchedFor(opened, vouched) ? opened : await parseAll(opened, numbered);
  // Each file follows the one before it.
  const revisions = read.map(({ revision }, index) => ({
    ...revision,
    parents: before(read, index),
  }));
  const faults = [
    ...others.flatMap((other) => unreadable(other.file, { why: whyRefused(other) }).faults),
    ...duplicates(files, tool),
    ...read.flatMap((each) => each.faults),
  ];
  return {
    tool,
    graph: faults.length > 0 ? { kind: "broken", faults } : buildGraph(tool, revisions),
    warnings: [...warnings, ...(numbered.passesOverOthers ? [] : describeMarks(opened))],
    remarks: [...remarks, ...(numbered.passesOverOthers ? [] : describeEmpty(read))],
    root,
    digests: new Map(opened.map(({ id, bytes }) => [id, digestOf(bytes.toString("utf8"))])),
    upgrade: { kind: "native", load },
    audit: async ({ revisions }) =>
      auditSql(await parseMigrations(root, await load([...revisions.keys()]))),
    readExtensions: async () => {
      const found = opened.map(async ({ file, bytes }) => {
        const statements = await extensionStatementsIn(bytes.toString("utf8"));
        return statements.map((each) => ({ ...each, isSure: true, file }));
      });
      return (await Promise.all(found)).flat();
    },
    // Our own runner leaves the path as it is.
    readPath: async () => [],
    readTable: async () => null,
    readDeleted: async () => await readDeleted(files, numbered),
  };
}

type Opened = NamedFile & {
  /** None where it cannot be opened. */
  readonly bytes: Buffer;
  readonly faults: readonly Unreadable[];
  /** What its statements say is known where it was parsed. */
  readonly revision: Omit<Revision, "parents">;
};

function openNamed(named: NamedFile, root: string): Opened {
  const { id, name, file } = named;
  const open = openFile(join(root, file), root);
  const [bytes, faults] = "bytes" in open ? [open.bytes, []] : [Buffer.alloc(0), open.faults];
  const facts = readFacts(bytes.toString("utf8"));
  const unparsed = { isEmpty: false, isAtomic: true, sketch: [] };
  return {
    ...named,
    bytes,
    faults,
    revision: {
      id,
      dependsOn: [],
      labels: [],
      title: titleOfName(name),
      file,
      ...facts,
      ...unparsed,
    },
  };
}

/** What else a file says is of use only where a ledger is not. */
function isVouchedFor(opened: readonly Opened[], vouched: Vouched): boolean {
  return opened.every(
    ({ file, faults, revision }) =>
      faults.length === 0 && vouched.get(file)?.hash === revision.hash,
  );
}

async function parseAll(
  opened: readonly Opened[],
  numbered: NumberedFiles,
): Promise<readonly Opened[]> {
  const parsed: Opened[] = [];
  for (const each of opened) parsed.push(await parse(each, numbered));
  return parsed;
}

async function parse(opened: Opened, numbered: NumberedFiles): Promise<Opened> {
  if (opened.faults.length > 0) return opened;
  const read = await readMigrationFile(opened, opened.bytes, numbered);
  if (read.kind === "unreadable") return { ...opened, faults: read.faults };
  const { statements, outside } = read.migration;
  const [isEmpty, isAtomic] = [statements.length === 0, outside === null];
  return { ...opened, revision: { ...opened.revision, isEmpty, isAtomic, sketch: read.sketch } };
}

function whyRefused(other: OtherFile): string {
  return `it is ${nameOther(other)} among numbered SQL files, which are all that preflight runs here: a part of the history would be left out. To make it one of them, ${other.way}; or take it out of the directory`;
}

/** What is in one direction alone can run as it is, but not by two tools. */
function describeMarks(opened: readonly Opened[]): readonly string[] {
  const byTool = new Map<string, string[]>();
  for (const { file, bytes } of opened) {
    const [mark] = findMarks(bytes.toString("utf8"), "up");
    if (mark !== undefined) byTool.set(mark.tool, [...(byTool.get(mark.tool) ?? []), file]);
  }
  return [...byTool].map(
    ([tool, files]) =>
      `Marked as files of ${tool}: ${enumerate(files)}. Here they are plain SQL, and preflight keeps version rows of its own: ${tool} must not run them besides. Take the marks out, and this is no longer said.`,
  );
}

function describeEmpty(read: readonly Opened[]): readonly string[] {
  const empty = read.filter(({ revision }) => revision.isEmpty).map(({ file }) => file);
  return empty.length === 0
    ? []
    : [`Without a statement, so that they are recorded and do nothing: ${enumerate(empty)}.`];
}

/** Where versions are numbers, `1` and `001` are one, and so are `2024-01-31` and `20240131000000`. */
function duplicates(
  files: readonly NamedFile[],
  { versions }: MigrationTool,
): readonly HistoryFault[] {
  const groups = new Map<bigint | string, NamedFile[]>();
  for (const file of files) {
    const key = versions === "numbers" ? (numberOf(file.id) ?? file.id) : file.id;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()].flatMap(([first, ...others]): readonly HistoryFault[] =>
    first === undefined || others.length === 0
      ? []
      : [{ kind: "duplicate-id", id: first.id, files: [first, ...others].map(({ file }) => file) }],
  );
}

/** Only what the decision rests on is handed out. */
async function loadMigrations(
  ids: readonly string[],
  opened: readonly Opened[],
  numbered: NumberedFiles,
): Promise<readonly Migration[]> {
  const { root, recordedOf } = numbered;
  const migrations: Migration[] = [];
  for (const before of ids.flatMap((id) => opened.find((each) => each.id === id) ?? [])) {
    const { bytes, faults, revision } = openNamed(before, root);
    if (faults.length > 0) throw cannotRead(faults);
    if (revision.hash !== before.revision.hash)
      throw new CannotJudge("broken-history", `${before.file} was changed a moment ago.`, [
        "Start again when nothing writes to the migration files any more.",
      ]);
    const read = await readMigrationFile(before, bytes, numbered);
    if (read.kind === "unreadable") throw cannotRead(read.faults);
    migrations.push({ ...read.migration, recorded: await recordedOf(bytes.toString("utf8")) });
  }
  return migrations;
}

function cannotRead(faults: readonly Unreadable[]): CannotJudge {
  return new CannotJudge("broken-history", `${faults.map(describeFault).join("; ")}.`, [
    "Put the files right, and see that nothing else is wrong: preflight audit.",
  ]);
}

/** Only their names are known for sure: each followed the one before it, whether that is still there or not. */
async function readDeleted(
  present: readonly NamedFile[],
  { tool, directory, root, readName }: NumberedFiles,
): Promise<readonly DeletedRevision[]> {
  const place = relative(root, directory).replaceAll("\\", "/") || ".";
  const deleted = await readDeletedFiles(root, [directory], (name) => readName(name) !== null);
  const all = new Map(present.map((named) => [named.id, named]));
  const numbers = groupByNumber(present, ({ id }) => id);
  for (const { file } of deleted) {
    const name = readName(posix.basename(file));
    if (name === null || posix.dirname(file) !== place) continue;
    const sharing = tool.versions === "numbers" ? numbers.get(numberOf(name.id) ?? 0n) : undefined;
    // Its number is still there: it was renamed, unless it was one of several.
    if (sharing !== undefined && sharing.length < 2) continue;
    const named = sharing === undefined ? { ...name, file } : withName({ ...name, file });
    if (!all.has(named.id)) all.set(named.id, named);
  }
  const inOrder = [...all.values()].toSorted(byVersion(tool.order));
  const isPresent = new Set(present.map(({ id }) => id));
  return inOrder
    .map(({ id, file }, index) => ({ id, parents: before(inOrder, index), dependsOn: [], file }))
    .filter(({ id }) => !isPresent.has(id))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** The id of the one before, if there is one. */
function before(all: readonly NamedFile[], index: number): readonly string[] {
  return all.slice(Math.max(0, index - 1), index).map(({ id }) => id);
}
