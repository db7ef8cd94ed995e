import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { buildGraph } from "../../../src/core/graph.ts";
import { byText, type VersionTableLayout } from "../../../src/core/migration-tool.ts";
import { quoteLiteral, quoteQualified } from "../../../src/core/quote.ts";
import type { Revision } from "../../../src/core/revision.ts";
import { hashOf } from "../../../src/tools/file-text.ts";
import type { Candidate, Commands, FoundHistory, Tool } from "../../../src/tools/tool.ts";
import { parentsIn } from "./parents.ts";

/** `branches`: a row for each, too, and a file says in its first line what it stands on: `-- after 2a 2b`. */
export type Kind = "each" | "newest" | "branches";

const common = {
  version: "step",
  digest: null,
  isAlsoOurs: null,
  width: null,
  hasNeighbours: false,
  isCompleted: false,
} as const;

const log: VersionTableLayout = {
  ...common,
  usual: { schema: null, name: "step_log" },
  rows: "each",
  fileName: null,
  columns: ["step", "logged_at"],
  dirty: null,
  create: (table) =>
    `CREATE TABLE ${quoteQualified(table)} (step text PRIMARY KEY, logged_at timestamptz NOT NULL DEFAULT now())`,
  values: ({ version }) => ({ step: quoteLiteral(version) }),
};

const layouts: Readonly<Record<Kind, VersionTableLayout>> = {
  each: log,
  branches: log,
  newest: {
    ...common,
    usual: { schema: null, name: "step_version" },
    rows: "heads",
    columns: ["step", "dirty"],
    fileName: null,
    dirty: "dirty",
    create: (table) =>
      `CREATE TABLE ${quoteQualified(table)} (step text PRIMARY KEY, dirty boolean NOT NULL)`,
    values: ({ version }) => ({ step: quoteLiteral(version), dirty: "false" }),
  },
};

/** A tool that no file of `src/` knows: steps in `steps/*.sql`, run by a program of its own. */
export function stepTool(kind: Kind): Tool {
  const tool: Tool = {
    name: `steps-${kind}`,
    appliedBy: "program",
    versionTable: layouts[kind],
    versions: "texts",
    order: kind === "branches" ? null : byText,
    illegalInIds: "",
    platform: null,
    words: { downgrade: null, renumber: null },
    newFiles: {
      kind: "tool",
      why: "the steps are written by hand",
      command: (name) => `touch steps/9-${name}.sql`,
    },
    find: async ({ cwd }) => ((await hasSteps(cwd)) ? [candidate(cwd)] : []),
    locate: async (place, { cwd }) => {
      const directory = path.resolve(cwd, place);
      return (await hasSteps(directory)) ? candidate(directory) : null;
    },
  };
  return tool;

  function candidate(directory: string): Candidate {
    return {
      tool,
      place: "steps",
      ledgerDirectory: directory,
      read: async () => await read(directory),
    };
  }

  async function read(directory: string): Promise<FoundHistory> {
    const names = (await readdir(path.join(directory, "steps"))).toSorted();
    const revisions: Revision[] = [];
    for (const name of names) {
      const text = await readFile(path.join(directory, "steps", name), "utf8");
      revisions.push({
        // Two files may have one number: `2.sql` and `2-again.sql`.
        id: name.replace(/(?:-.*)?\.sql$/, ""),
        parents: kind === "branches" ? parentsIn(text) : revisions.slice(-1).map(({ id }) => id),
        dependsOn: [],
        labels: [],
        title: "",
        file: `steps/${name}`,
        hash: hashOf(text),
        isEmpty: false,
        isAtomic: kind !== "newest",
        saysIfNotExists: false,
        readsEnvironment: false,
        sketch: [],
      });
    }
    return {
      tool,
      graph: buildGraph(tool, revisions),
      warnings: [],
      remarks: [],
      root: directory,
      digests: new Map(),
      upgrade: {
        kind: "command",
        commands: commandsIn(directory, kind),
        readAddresses: async () => ({ suspects: [], fixed: null }),
        readVariables: async () => ({ names: [], scheme: "postgresql" }),
        readAsking: async () => [],
      },
      audit: async () => [],
      readPath: async () => [],
      readExtensions: async () => [],
      readTable: async () => null,
      readDeleted: async () => [],
    };
  }
}

function commandsIn(cwd: string, kind: Kind): Commands {
  const program = [process.execPath, path.join(import.meta.dirname, "program.ts"), kind];
  return {
    cwd,
    upgrade: (target) => [...program, "up", target],
    current: () => [...program, "current"],
    locate: () => [...program, "current"],
    locateLike: () => null,
    placeIn: () => null,
    refuseOther: () => {},
    explain: () => null,
  };
}

async function hasSteps(directory: string): Promise<boolean> {
  const names: readonly string[] = await readdir(path.join(directory, "steps")).catch(() => []);
  return names.some((name) => name.endsWith(".sql"));
}
