import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { preflight } from "../support/in-process.ts";
import type { TestServer } from "../support/postgres.ts";
import { fixedSchema } from "./alembic-tool.ts";
import { createCase, literal, plainRole, quoted } from "./ground.ts";
import { ownSchema, type ProofHistory, togetherText } from "./history.ts";
import { readSnapshot } from "./snapshot.sql.ts";
import { type ProofTool, proofTools } from "./tool.ts";

export type LedgerKind = "verified" | "own-table" | "stale" | "absent" | "first-release";

/** A history on disk, with several kinds of ledger, and what it makes. */
export type ProofImage = {
  readonly history: ProofHistory;
  /** Where the image with that ledger is. */
  readonly directories: ReadonlyMap<LedgerKind, string>;
  /** After so many revisions, in `public` and in another home. */
  readonly states: { readonly public: readonly Lines[]; readonly other: readonly Lines[] };
};

export type Lines = readonly string[];

/**
 * Written once for a history, and used for many worlds.
 * @param ledgers that these worlds have
 */
export async function makeImage(
  server: TestServer,
  history: ProofHistory,
  ledgers: ReadonlySet<LedgerKind>,
): Promise<ProofImage> {
  const tool = proofTools[history.tool];
  const count = history.revisions.length;
  const baked = write(history, count);
  await bake(server, baked, history);
  const ledger = readFileSync(ledgerIn(baked), "utf8");
  const directories = new Map<LedgerKind, string>([["verified", baked]]);
  for (const kind of ledgers)
    if (kind !== "verified") directories.set(kind, await withLedger(kind));
  return {
    history,
    directories,
    states: {
      public: await replay(server, history, "public"),
      other: await replay(server, history, "elsewhere"),
    },
  };

  async function withLedger(kind: Exclude<LedgerKind, "verified">): Promise<string> {
    const directory = write(history, kind === "stale" ? count - 1 : count);
    switch (kind) {
      case "own-table":
        writeFileSync(ledgerIn(directory), withOwnTable(ledger, tool));
        return directory;
      case "first-release":
        writeFileSync(ledgerIn(directory), ofFirstRelease(ledger));
        return directory;
      case "stale":
        await bake(server, directory, history);
        tool.write(directory, history, count);
        return directory;
      case "absent":
        return directory;
    }
  }
}

/** Schemas besides the home that the history's files name. */
export function namedSchemas({ naming }: ProofHistory): readonly string[] {
  if (naming === "bare") return [];
  return naming === "own" ? [ownSchema] : ["public"];
}

function write(history: ProofHistory, count: number): string {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-proof-"));
  proofTools[history.tool].write(directory, history, count);
  return directory;
}

async function bake(
  server: TestServer,
  directory: string,
  { tool, program }: ProofHistory,
): Promise<void> {
  // A program that goes to a schema of its own has its version table there.
  const table =
    program === "path"
      ? []
      : ["--version-table", `${fixedSchema}.${proofTools[tool].versionTable}`];
  const argv = ["bake", "--scratch-url", server.url, ...table];
  const env = { PATH: process.env["PATH"] ?? "", HOME: tmpdir() };
  const { exit, line, log } = await preflight(argv, { cwd: directory, env });
  if (exit !== 0)
    throw new Error(
      `the bake in ${directory} ended with ${exit}: ${line.reason}\n${log.join("\n")}`,
    );
}

function ledgerIn(directory: string): string {
  return path.join(directory, "preflight.ledger.json");
}

/** As a bake with `--version-table` writes it. */
function withOwnTable(ledger: string, { versionTable, ownTable }: ProofTool): string {
  return ledger.replace(`"name":"${versionTable}"`, `"name":"${ownTable}"`);
}

/** As the first release would have written it, which knew no home but `public`. */
function ofFirstRelease(ledger: string): string {
  return ledger
    .split("\n")
    .filter((line) => !line.startsWith('"home":') && !line.startsWith('"kinds":'))
    .join("\n")
    .replace('"v":2', '"v":1')
    .replaceAll("<home>", "public");
}

async function replay(
  server: TestServer,
  history: ProofHistory,
  home: string,
): Promise<readonly Lines[]> {
  const database = await createCase(server, plainRole);
  const others = namedSchemas(history).filter((schema) => schema !== home);
  try {
    await database.run(`CREATE SCHEMA IF NOT EXISTS ${quoted(home)}`);
    const states = [await snapshotOf(database, home, others)];
    for (const revision of history.revisions) {
      await database.run(`SET search_path = ${quoted(home)}; ${togetherText(revision)}`);
      states.push(await snapshotOf(database, home, others));
    }
    return states;
  } finally {
    await database.drop();
  }
}

/** @param others schemas besides the home */
export async function snapshotOf(
  { run }: Pick<Awaited<ReturnType<typeof createCase>>, "run">,
  home: string,
  others: readonly string[],
): Promise<Lines> {
  const rows = await run(`${readSnapshot(home, others)}; COMMIT`).catch(async (error: unknown) => {
    throw new Error(`the snapshot of ${literal(home)} failed`, { cause: error });
  });
  return rows.map((row) => String(row["text"]));
}

/** What of a schema is evidence: all but comments. */
export function hard(lines: Lines): string {
  return lines.filter((line) => !line.startsWith("comment ")).join("\n");
}

/** The hard part of a schema without plain indexes, which come and go by hand. */
export function withoutIndexes(lines: Lines): string {
  return hard(lines.filter((line) => !line.startsWith("index CREATE INDEX ")));
}
