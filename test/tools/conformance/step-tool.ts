import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { buildGraph } from "../../../src/core/graph.ts";
import { byText, type VersionTableLayout } from "../../../src/core/migration-tool.ts";
import { quoteLiteral, quoteQualified } from "../../../src/core/quote.ts";
import type { Revision } from "../../../src/core/revision.ts";
import { hashOf } from "../../../src/tools/file-text.ts";
import type { Candidate, Commands, FoundHistory, Tool } from "../../../src/tools/tool.ts";

type Rows = "each" | "newest";

const common = {
  version: "step",
  digest: null,
  isAlsoOurs: null,
  width: null,
  hasNeighbours: false,
  isCompleted: false,
} as const;

const layouts: Readonly<Record<Rows, VersionTableLayout>> = {
  each: {
    ...common,
    usual: { schema: null, name: "step_log" },
    rows: "each",
    columns: ["step", "logged_at"],
    dirty: null,
    create: (table) =>
      `CREATE TABLE ${quoteQualified(table)} (step text PRIMARY KEY, logged_at timestamptz NOT NULL DEFAULT now())`,
    values: ({ version }) => ({ step: quoteLiteral(version) }),
  },
  newest: {
    ...common,
    usual: { schema: null, name: "step_version" },
    rows: "heads",
    columns: ["step", "dirty"],
    dirty: "dirty",
    create: (table) =>
      `CREATE TABLE ${quoteQualified(table)} (step text PRIMARY KEY, dirty boolean NOT NULL)`,
    values: ({ version }) => ({ step: quoteLiteral(version), dirty: "false" }),
  },
};

/** A tool that no file of `src/` knows: steps in `steps/*.sql`, one after the other, run by a program of its own. */
export function stepTool(rows: Rows): Tool {
  const tool: Tool = {
    name: `steps-${rows}`,
    appliedBy: "program",
    versionTable: layouts[rows],
    order: byText,
    illegalInIds: "",
    platform: null,
    words: { stamp: null, renumber: null },
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
        parents: revisions.slice(-1).map(({ id }) => id),
        dependsOn: [],
        labels: [],
        title: "",
        file: `steps/${name}`,
        hash: hashOf(text),
        isEmpty: false,
        isAtomic: rows === "each",
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
        commands: commandsIn(directory, rows),
        readAddresses: async () => ({ suspects: [], fixed: null }),
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

function commandsIn(cwd: string, rows: Rows): Commands {
  const program = [process.execPath, path.join(import.meta.dirname, "program.ts"), rows];
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
