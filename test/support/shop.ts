import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { VerdictLine } from "../../src/report/verdict-schema.ts";
import { preflight as runInProcess } from "./in-process.ts";
import { applyByHand, type NumberedExample, numberedExamples } from "./numbered.ts";
import type { TestServer } from "./postgres.ts";
import type { PythonEnvironment } from "./python.ts";
import { type Example, type Scenario, scenarioPath } from "./scenario.ts";

const root = path.join(import.meta.dirname, "../..");
const execute = promisify(execFile);

/** The two forms in which the program ships. */
const forms = {
  binary: [path.join(root, "dist/preflight")],
  module: [process.execPath, path.join(root, "dist/preflight.mjs")],
} as const;

export const builtForms = Object.keys(forms) as (keyof typeof forms)[];

/** `cli`: in this process, without being built. */
export type Form = keyof typeof forms | "cli";

export type Ran = {
  readonly exit: number;
  readonly line: VerdictLine;
  readonly stdout: string;
  readonly stderr: string;
};

/** The example shop: its databases on a server, and images made of its files. */
export type Shop = {
  readonly server: TestServer;
  readonly python: PythonEnvironment;
  /** A ledger of the shop as it is. */
  readonly ledger: string;
  /** Of the other examples as they are, where they are needed. */
  readonly ledgers?: Readonly<Record<NumberedExample, string>>;
};

export function environment(shop: Pick<Shop, "python">, url: string): Record<string, string> {
  const { bin } = shop.python;
  return { PATH: `${bin}:${process.env["PATH"]}`, HOME: tmpdir(), DATABASE_URL: url };
}

/** A copy of an example's files, with the scenario's changes and without a ledger unless it has one. */
export function makeImage(
  shop: Pick<Shop, "ledger" | "ledgers">,
  scenario: Pick<Scenario, "name" | "example" | "remove" | "ledger">,
): string {
  const { example = "shop" } = scenario;
  const image = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
  cpSync(path.join(root, "examples", example), image, { recursive: true, filter: isSource });
  if (scenario.ledger !== "none")
    cpSync(
      example === "shop" ? shop.ledger : (shop.ledgers?.[example] ?? ""),
      path.join(image, ledgerOf(example)),
    );
  for (const file of scenario.remove ?? []) rmSync(path.join(image, file));
  if (scenario.ledger === "rebaked")
    retire(path.join(image, ledgerOf(example)), scenario.remove ?? []);
  const overlay = path.join(scenarioPath(scenario.name), "image");
  if (existsSync(overlay)) cpSync(overlay, image, { recursive: true });
  return image;
}

/** As a bake after the files were deleted would write it. */
function retire(file: string, removed: readonly string[]): void {
  const ledger = JSON.parse(readText(file)) as {
    readonly revisions: { readonly id: string; readonly file: string; retired?: true }[];
    readonly states: { readonly heads: readonly string[]; retired?: true }[];
  };
  const gone = ledger.revisions.filter((each) => removed.some((path) => path.endsWith(each.file)));
  for (const revision of gone) revision.retired = true;
  for (const state of ledger.states)
    if (state.heads.some((head) => gone.some(({ id }) => id === head))) state.retired = true;
  writeFileSync(file, JSON.stringify(ledger));
}

/** Where an example's ledger is, from the root of its image. */
export function ledgerOf(example: Example): string {
  return example === "shop" ? "preflight.ledger.json" : numberedExamples[example].ledger;
}

/** Bakes an example's ledger in an image of its own. */
export async function bakeExample(
  example: Example,
  python: PythonEnvironment,
  args: readonly string[] = [],
  form: Form = "binary",
): Promise<{ readonly image: string; readonly ledger: string }> {
  const image = makeImage({ ledger: "" }, { name: "", example, ledger: "none" });
  const options = { cwd: image, env: environment({ python }, "") };
  const { exit, stderr } = await preflight(form, ["bake", ...args], options);
  if (exit !== 0) throw new Error(`the bake of ${example} ended with ${exit}:\n${stderr}`);
  return { image, ledger: path.join(image, ledgerOf(example)) };
}

function isSource(file: string): boolean {
  return !file.includes("__pycache__") && !file.endsWith("preflight.ledger.json");
}

/** Real Alembic, as a person would run it. */
export async function alembic(
  shop: Pick<Shop, "python">,
  cwd: string,
  url: string,
  ...args: readonly string[]
): Promise<void> {
  await execute("alembic", args, { cwd, env: environment(shop, url) });
}

/** A new database, taken to where the scenario begins; each beginning is made by Alembic once. */
export async function makeDatabase(
  shop: Shop,
  scenario: Pick<Scenario, "example" | "at" | "sql">,
): Promise<string> {
  const beginning = await beginningAt(shop, scenario.example ?? "shop", scenario.at);
  const name = `preflight_${randomBytes(6).toString("hex")}`;
  await shop.server.sql(shop.server.url, `CREATE DATABASE ${name} TEMPLATE ${beginning}`);
  const url = new URL(shop.server.url);
  url.pathname = name;
  for (const statement of scenario.sql ?? []) await shop.server.sql(url.href, statement);
  return url.href;
}

const beginnings = new Map<string, Promise<string>>();

function beginningAt(shop: Shop, example: Example, revision: string | null): Promise<string> {
  const key = `${shop.server.url} ${example} ${revision}`;
  const made = beginnings.get(key) ?? makeBeginning(shop, example, revision);
  beginnings.set(key, made);
  return made;
}

async function makeBeginning(
  shop: Shop,
  example: Example,
  revision: string | null,
): Promise<string> {
  const url = await shop.server.createDatabase();
  if (example !== "shop") await applyByHand(shop.server, url, example, revision);
  else if (revision !== null)
    await alembic(shop, path.join(root, "examples/shop"), url, "upgrade", revision);
  return new URL(url).pathname.slice(1);
}

/** Runs the program; the verdict line is the last line of stdout, or of stderr before a command. */
export async function preflight(
  form: Form,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<Ran> {
  if (form === "cli") return await runInProcess(args, options);
  const [program = "", ...prefix] = forms[form];
  const { code, stdout, stderr } = await run(program, [...prefix, ...args], options);
  const source =
    args.includes("--") || ["history", "repair"].includes(args[0] ?? "") ? stderr : stdout;
  const lines = source.trim().split("\n");
  const text = lines.findLast((line) => line.startsWith('{"v":1')) ?? "null";
  return { exit: code, line: JSON.parse(text) as VerdictLine, stdout, stderr };
}

async function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return await new Promise((resolve) => {
    execFile(
      program,
      args,
      // Whoever hangs is asked to end, and so tells how far it came, before the test's own time is over.
      { ...options, maxBuffer: 64 * 1024 * 1024, timeout: 100_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 128;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

/** Everything in a database that a write could change: every row, and every catalog row's version. */
export async function dump(server: TestServer, url: string): Promise<string> {
  const rows = await server.sql(
    url,
    `SELECT database_to_xml(true, false, '')::text AS data,
       (SELECT md5(string_agg(c.oid || ':' || c.xmin::text || ':' || c.relname, ',' ORDER BY c.oid)) FROM pg_class c) AS relations,
       (SELECT md5(string_agg(a.attrelid || ':' || a.attnum || ':' || a.xmin::text, ',' ORDER BY a.attrelid, a.attnum)) FROM pg_attribute a) AS columns`,
  );
  return JSON.stringify(rows);
}

/** The same of a database in which an upgrade began: the journal says so, whatever came of it. */
export async function dumpWithoutJournal(server: TestServer, url: string): Promise<string> {
  await server.sql(url, "DROP SCHEMA IF EXISTS preflight CASCADE");
  return await dump(server, url);
}

/** The next transaction id that the server will give to somebody who writes. */
export async function transactionCounter(server: TestServer, url: string): Promise<string> {
  const [row] = await server.sql(
    url,
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next",
  );
  return String(row?.["next"]);
}

export function readText(file: string): string {
  return readFileSync(file, "utf8");
}
