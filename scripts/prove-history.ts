import path from "node:path";
/** A real history: a database at every revision, and what the program makes of it. See docs/reliability.md, "The proof". */
import process from "node:process";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { quoted } from "../test/proof/ground.ts";
import { type Answer, answerKinds, faultWithRows, judge, name } from "../test/proof/real/answer.ts";
import { addOthers } from "../test/proof/real/beside/beside.ts";
import { fillSql } from "../test/proof/real/fill.sql.ts";
import { type Project, readProject, schemaFlag } from "../test/proof/real/project.ts";
import { beginWalk } from "../test/proof/real/walk.ts";
import type { Said } from "../test/support/in-process.ts";
import { startServer } from "../test/support/postgres.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** The home; the address's search_path leads there. Default: public, and the address says nothing. */
    schema: { type: "string" },
    /** A superuser's address. Default: a server of its own. `pg_dump` must be as new as the server. */
    "scratch-url": { type: "string" },
    /** Rows in every table, where version rows are gone. */
    filled: { type: "boolean", default: false },
    /** Only at the newest revision, with others around: tables of ten libraries, partitions, what administrators leave. */
    beside: { type: "boolean", default: false },
  },
});
const [directory] = positionals;
if (directory === undefined)
  throw new Error(
    "npm run prove:history -- PROJECT_DIR [--schema NAME] [--scratch-url URL] [--filled] [--beside]",
  );
const schema = values.schema ?? null;
if (values["scratch-url"] !== undefined)
  process.env["PREFLIGHT_TEST_SERVER"] = values["scratch-url"];

// As main.ts has it, and why.
for (const flag of ["--no-wasm-tier-up", "--no-wasm-dynamic-tiering"]) setFlagsFromString(flag);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(1));

const tally = new Map<Answer["kind"], number>(answerKinds.map((kind) => [kind, 0]));
const inTheWay = new Map<string, number>();
let falseAlarms = 0;
const started = performance.now();
const server = await startServer();
try {
  const project = await readProject(path.resolve(directory));
  try {
    await bake(project);
    await (values.beside ? playBesideOthers(project) : play(project));
  } finally {
    project.close();
  }
} finally {
  await server.stop();
}
close();

async function bake(project: Project): Promise<void> {
  if ((await project.preflight(null, "bake", "--check")).exit === 0) return;
  const begun = performance.now();
  const { exit, line } = await project.preflight(null, "bake", "--scratch-url", server.url);
  if (exit !== 0) throw new Error(`the bake: exit ${exit}: ${line.reason}`);
  say(`baked in ${seconds(begun)} s`);
}

async function play(project: Project): Promise<void> {
  const { ids, versionTable, headsAfter, upgrade } = project;
  const fill = values.filled ? fillSql(schema ?? "public", versionTable.name) : null;
  const walk = await beginWalk(server, schema, fill);
  try {
    for (const [index, id] of ids.entries()) {
      await upgrade(walk.url, [id], schema);
      const heads = headsAfter(index + 1);
      const recorded = await walk.rows(versionTable.column, versionTable.name);
      if (!heads.every((head) => recorded.includes(head)))
        throw new Error(`after ${id} the rows say ${name(recorded)}, not ${name(heads)}`);

      const isNewest = index === ids.length - 1;
      const withRows = await check(project, walk.url);
      const fault = faultWithRows(withRows, heads, isNewest);
      if (fault !== null) falseAlarms += 1;
      if (fault !== null) say(`FALSE ALARM at ${name(heads)}: ${fault}`);

      const without = await walk.withoutRows(
        versionTable.name,
        async (url) => await check(project, url),
      );
      const answer = await judge(without, heads, project, walk);
      tally.set(answer.kind, tally.get(answer.kind)! + 1);
      for (const each of answer.because) {
        const key = `${answer.kind} for ${each} (${project.history.revisions.get(each)!.file})`;
        inTheWay.set(key, (inTheWay.get(key) ?? 0) + 1);
      }
      if (answer.kind !== "exact") say(`${answer.kind} at ${name(heads)}: ${answer.why}`);
      if ((index + 1) % 20 === 0) say(`${index + 1} of ${ids.length} revisions`);
    }
  } finally {
    await walk.drop();
  }
}

async function playBesideOthers(project: Project): Promise<void> {
  const { ids, versionTable, headsAfter, upgrade } = project;
  const fill = values.filled ? fillSql(schema ?? "public", versionTable.name) : null;
  const walk = await beginWalk(server, schema, fill);
  try {
    await upgrade(walk.url, headsAfter(ids.length), schema);
    const alone = await walk.withoutRows(
      versionTable.name,
      async (url) => await check(project, url),
    );
    await walk.withCopy(async ({ url, run }) => {
      await addOthers(server, url);
      const said = await check(project, url);
      const { missing, changed } = said.line.drift;
      take("beside others", said, said.exit === 0 && missing + changed === 0);
      await run(`DELETE FROM ${quoted(versionTable.name)}`);
      const without = await check(project, url);
      take("and without version rows", without, verdictOf(without) === verdictOf(alone));
    });
  } finally {
    await walk.drop();
  }
}

function take(where: string, said: Said, isRight: boolean): void {
  if (!isRight) falseAlarms += 1;
  say(`${where}: ${isRight ? "" : "FALSE ALARM: "}${verdictOf(said)}`);
}

async function check(project: Project, url: string): Promise<Said> {
  return await project.preflight(url, "check", ...schemaFlag(schema));
}

function verdictOf({ line }: Said): string {
  return `${line.verdict}, exit ${line.exit}: ${line.reason}`;
}

function close(): void {
  say("");
  for (const [what, times] of inTheWay) say(`${times} times ${what}`);
  const counts = [...tally].map(([kind, count]) => `${kind} ${count}`).join(", ");
  if (!values.beside) say(`\nhome ${schema ?? "public"}, without version rows: ${counts}`);
  say(`${values.beside ? "" : "with them: "}${falseAlarms} false alarms; ${seconds(started)} s`);
  process.exitCode = falseAlarms > 0 || tally.get("WRONG")! > 0 ? 1 : 0;
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 1000);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
