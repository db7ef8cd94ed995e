import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type History, maximal } from "../../../src/core/history.ts";
import { findHistory } from "../../../src/tools/registry.ts";
import type { Commands } from "../../../src/tools/tool.ts";
import { preflight, type Said } from "../../support/in-process.ts";
import { proofTools } from "../tool.ts";
import { startAlembic } from "./alembic-session.ts";

/** A project on disk with a history that nobody made for a test. */
export type Project = {
  readonly directory: string;
  readonly history: History;
  readonly versionTable: { readonly name: string; readonly column: string };
  /** In the order in which the tool runs them. */
  readonly ids: readonly string[];
  /** What the version rows say after the first so many of `ids`; of numbered files the newest. */
  readonly headsAfter: (count: number) => readonly string[];
  /** Runs the program with the whole history at hand. */
  readonly preflight: (url: string | null, ...argv: readonly string[]) => Promise<Said>;
  /** The history's own tool runs what these heads stand on and what has no row yet. */
  readonly upgrade: Upgrade;
  readonly close: () => void;
};

type Upgrade = (url: string, heads: readonly string[], schema: string | null) => Promise<void>;

export async function readProject(directory: string): Promise<Project> {
  const where = { cwd: directory, env: process.env, migrations: null, tool: null };
  const found = await (await findHistory(where)).read(new Map());
  const { graph, tool } = found;
  if (graph.kind === "broken")
    throw new Error(`preflight audit shows what is wrong with the history of ${directory}`);
  if (tool.name !== "alembic" && tool.name !== "sql")
    throw new Error("this is for Alembic and numbered files");
  const { history } = graph;
  const { column } = proofTools[tool.name];
  const { ids, upgrade, close } =
    found.upgrade.kind === "command"
      ? await byAlembic(found.upgrade.commands)
      : { ids: [...history.revisions.keys()], upgrade: upgradeNumbered, close: () => {} };
  return {
    directory,
    history,
    versionTable: { name: tool.versionTable.usual.name, column },
    ids,
    headsAfter: (count) => maximal(history, ids.slice(0, count)),
    preflight: async (url, ...argv) => await start(directory, url, argv),
    upgrade,
    close,
  };

  /** An image with no later files, and without a ledger: the rows alone say what is pending. */
  async function upgradeNumbered(
    url: string,
    [newest]: readonly string[],
    schema: string | null,
  ): Promise<void> {
    const numbers = [...history.revisions.keys()];
    const applied = numbers.slice(0, numbers.indexOf(newest!) + 1);
    const image = mkdtempSync(path.join(tmpdir(), "preflight-history-"));
    try {
      for (const id of applied) {
        const { file } = history.revisions.get(id)!;
        mkdirSync(path.dirname(path.join(image, file)), { recursive: true });
        cpSync(path.join(found.root, file), path.join(image, file));
      }
      const { exit, line } = await start(image, url, ["run", ...schemaFlag(schema)]);
      if (exit !== 0) throw new Error(`${newest}: exit ${exit}: ${line.reason}`);
    } finally {
      rmSync(image, { recursive: true });
    }
  }
}

export function schemaFlag(schema: string | null): readonly string[] {
  return schema === null ? [] : ["--schema", schema];
}

async function byAlembic({
  cwd,
  upgrade,
}: Commands): Promise<Pick<Project, "ids" | "upgrade" | "close">> {
  const [program, ...words] = upgrade("heads");
  if (program !== "alembic") throw new Error(`of Alembic's kin only itself, not ${program}`);
  const config = words[0] === "-c" ? words[1]! : "alembic.ini";
  const { order, run, stop } = await startAlembic(cwd, config);
  return {
    ids: order,
    upgrade: async (url, heads) => {
      for (const head of heads) await run(url, upgrade(head).slice(1));
    },
    close: stop,
  };
}

async function start(cwd: string, url: string | null, argv: readonly string[]): Promise<Said> {
  const { PATH = "", PYTHONPATH = "" } = process.env;
  const address = url === null ? {} : { DATABASE_URL: url };
  return await preflight(argv, { cwd, env: { PATH, PYTHONPATH, HOME: tmpdir(), ...address } });
}
