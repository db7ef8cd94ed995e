import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildGraph } from "../../core/graph.ts";
import { byText } from "../../core/version-order.ts";
import type { Candidate, FoundHistory, Tool } from "../tool.ts";
import { readAddresses } from "./addresses.ts";
import { findLongId } from "./audit.ts";
import { findAlembic, locateAlembic } from "./locate.ts";
import type { AlembicLocation } from "./location.ts";
import { type AlembicReading, readAlembic } from "./read.ts";
import { readDeleted } from "./retired.ts";
import { versionTable } from "./version-table.ts";

export const alembic: Tool = {
  name: "alembic",
  appliedBy: "program",
  versionTable,
  order: byText,
  platform: null,
  words: {
    stamp: (heads) => `alembic stamp --purge ${heads.join(" ") || "base"}`,
    renumber: null,
  },
  newFiles: {
    kind: "tool",
    why: "Alembic writes the files of its histories itself",
    command: (name) => `alembic revision -m "${name.replaceAll("_", " ")}"`,
  },
  find: async (where) => (await findAlembic(where)).map(candidate),
  locate: async (path, where) => {
    const location = await locateAlembic(path, where);
    return location === null ? null : candidate(location);
  },
};

function candidate(location: AlembicLocation): Candidate {
  return {
    tool: alembic,
    place: location.place,
    ledgerDirectory: location.ledgerDirectory,
    read: async (vouched) => found(await readAlembic(location, vouched)),
  };
}

function found(reading: AlembicReading): FoundHistory {
  const { location } = reading;
  return {
    tool: alembic,
    graph: graphOf(reading),
    warnings: reading.warnings,
    root: location.root,
    digests: new Map(),
    upgrade: {
      kind: "command",
      commands: location.commands,
      readAddresses: async () => await readAddresses(location),
    },
    audit: async (history) => findLongId(history),
    readPath: async () => await readPath(location),
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
