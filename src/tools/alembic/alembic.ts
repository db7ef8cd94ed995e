import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Finding } from "../../core/audit.ts";
import { buildGraph } from "../../core/graph.ts";
import type { History } from "../../core/history.ts";
import { widthFor } from "../../core/plan.ts";
import { readDeletedFiles } from "../deleted-files.ts";
import type { Candidate, DeletedRevision, FoundHistory, Tool } from "../tool.ts";
import { readAddresses } from "./addresses.ts";
import { nameOption } from "./commands.ts";
import { usualSection } from "./configuration.ts";
import { readAsking, readExtensions } from "./extensions.ts";
import { type AlembicLocation, findAlembic, locateAlembic } from "./locate.ts";
import { readNamedTable } from "./named-table.ts";
import { readVariables } from "./read-variables.ts";
import { type AlembicReading, isRevisionName, readAlembic } from "./read.ts";
import { readRevisionFile } from "./revision-file.ts";
import { versionTable } from "./version-table.ts";

export const alembic: Tool = toolFor(usualSection);

/** What a person is told to type works on the section that was read. */
function toolFor(section: string): Tool {
  const program = ["alembic", ...nameOption(section)].join(" ");
  return {
    name: "alembic",
    appliedBy: "program",
    versionTable,
    versions: "texts",
    order: null,
    // Its own list (1.20).
    illegalInIds: "@-+:",
    platform: null,
    words: {
      downgrade: (heads) => `${program} downgrade ${heads.join(" ") || "base"}`,
      renumber: null,
    },
    newFiles: {
      kind: "tool",
      why: "Alembic writes the files of its histories itself",
      command: (name) => `${program} revision -m "${name.replaceAll("_", " ")}"`,
    },
    find: async (where) => (await findAlembic(where)).map(candidate),
    locate: async (path, where) => {
      const location = await locateAlembic(path, where);
      return location === null ? null : candidate(location);
    },
  };
}

function candidate(location: AlembicLocation): Candidate {
  return {
    tool: toolFor(location.section),
    place: location.place,
    ledgerDirectory: location.ledgerDirectory,
    read: async (vouched) => found(await readAlembic(location, vouched)),
  };
}

function found(reading: AlembicReading): FoundHistory {
  const { location } = reading;
  return {
    tool: toolFor(location.section),
    graph: graphOf(reading),
    warnings: reading.warnings,
    remarks: [],
    root: location.root,
    digests: new Map(),
    upgrade: {
      kind: "command",
      commands: location.commands,
      readAddresses: async () => await readAddresses(location),
      readVariables: async () => await readVariables(location),
      readAsking: async () => await readAsking(location),
    },
    audit: async (history) => [...findLongId(history), ...sayUnread(history)],
    readExtensions: async () => await readExtensions(location),
    readPath: async () => await readPath(location),
    readTable: async () => await readNamedTable(location),
    readDeleted: async () => await readDeleted(reading),
  };
}

/** `SET search_path TO app` or `-csearch_path=app`, in one piece: a name that is put in may come from anywhere. */
async function readPath({ scriptDirectory }: AlembicLocation): Promise<readonly (string | null)[]> {
  const text = await readFile(join(scriptDirectory, "env.py"), "utf8").catch(() => "");
  const code = text.replaceAll(/^\s*#.*$/gm, "");
  const settings = code.matchAll(/search_path(?:\s*(?:=|\bTO\b)\s*(?:\\?["'])?([\w$]+))?/gi);
  return [...settings].map(([, name]) => name ?? null);
}

/** A parent that seems to be missing may stand in a file that cannot be read: then only that file is worth naming. */
function graphOf({ revisions, faults }: AlembicReading): FoundHistory["graph"] {
  const graph = buildGraph(alembic, revisions);
  if (faults.length === 0) return graph;
  const others = graph.kind === "broken" ? graph.faults : [];
  const certain = others.filter(
    ({ kind }) => kind !== "missing-parent" && kind !== "missing-dependency",
  );
  return { kind: "broken", faults: [...faults, ...certain] };
}

function findLongId(history: History): readonly Finding[] {
  const width = widthFor(history);
  const longest = [...history.revisions.values()].find(({ id }) => [...id].length === width);
  if (width === versionTable.width || longest === undefined) return [];
  return [
    {
      level: "warning",
      rule: "long-id",
      file: longest.file,
      line: null,
      seen: `a revision id has ${width} characters`,
      why: "Alembic makes its column 32 wide, and preflight widens it before an upgrade",
      remedy: "a shorter id, where no database has recorded this one yet",
    },
  ];
}

/** Silence would say that all is well. */
function sayUnread({ revisions }: History): readonly Finding[] {
  const { size } = revisions;
  if (size === 0) return [];
  return [
    {
      level: "note",
      rule: "operations-unread",
      file: null,
      line: null,
      seen: `what ${size === 1 ? "the one revision does is" : `the ${size} revisions do is`} not looked at`,
      why: "it is Python: whether a table or a column is dropped, rows are lost or a table is locked for long, this audit does not know",
      remedy:
        "read the revisions before they are released; what each was seen to make and to drop, a bake writes into preflight.ledger.json",
    },
  ];
}

/**
 * The revisions whose files git remembers and the checkout no longer has, newest spelling of each, sorted by id. Files that
 * cannot be read are left out. [] where there is no git, no checkout, or no history of these directories.
 */
async function readDeleted(reading: AlembicReading): Promise<readonly DeletedRevision[]> {
  const { location, revisions } = reading;
  const present = new Set(revisions.map(({ id }) => id));
  const found = new Map<string, DeletedRevision>();
  const { root, versionDirectories } = location;
  const deleted = await readDeletedFiles(root, versionDirectories, isRevisionName);
  for (const { file, bytes } of deleted) {
    const read = await readRevisionFile(file, bytes);
    if (read.kind !== "revision") continue;
    const { id, parents, dependsOn } = read.revision;
    if (!present.has(id) && !found.has(id)) found.set(id, { id, parents, dependsOn, file });
  }
  return [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
