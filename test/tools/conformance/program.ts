/**
 * A migration tool's own program, small and real: `program.ts each|branches|newest up|current [VERSION]`, in a directory with
 * `steps/*.sql`. `each` keeps a row for every step, written in the step's own transaction; so does `branches`, where a step needs those
 * that its first line names. `newest` keeps one row and a mark that a step has begun, written in transactions of their own.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import postgres from "postgres";
import { parentsIn } from "./parents.ts";

const [kind, command, target = "heads"] = process.argv.slice(2);
const sql = postgres(process.env["DATABASE_URL"] ?? "", { max: 1, onnotice: () => {} });
try {
  if (command === "up") await up();
  else process.stdout.write(`at ${(await current()).join(", ") || "nothing"}\n`);
} finally {
  await sql.end();
}

async function current(): Promise<readonly string[]> {
  const table = kind === "newest" ? "step_version" : "step_log";
  const [{ exists } = { exists: false }] = await sql<{ exists: boolean }[]>`
    SELECT to_regclass(${table}) IS NOT NULL AS exists`;
  if (!exists) return [];
  const found = await sql<{ step: string }[]>`SELECT step FROM ${sql(table)} ORDER BY step`;
  return found.map(({ step }) => step);
}

async function up(): Promise<void> {
  await sql.unsafe(
    kind === "newest"
      ? "CREATE TABLE IF NOT EXISTS step_version (step text PRIMARY KEY, dirty boolean NOT NULL)"
      : "CREATE TABLE IF NOT EXISTS step_log (step text PRIMARY KEY, logged_at timestamptz NOT NULL DEFAULT now())",
  );
  const done = await current();
  const newest = done.at(-1) ?? "";
  for (const step of stepsUpTo(target)) {
    if (kind === "newest" ? step <= newest : done.includes(step)) continue;
    const text = readFileSync(`steps/${step}.sql`, "utf8");
    if (kind === "newest") {
      await sql.begin(async (within) => {
        await within`DELETE FROM step_version`;
        await within`INSERT INTO step_version VALUES (${step}, true)`;
      });
      await sql.unsafe(text);
      await sql`UPDATE step_version SET dirty = false`;
    } else
      await sql.begin(async (within) => {
        await within.unsafe(text);
        await within`INSERT INTO step_log (step) VALUES (${step})`;
      });
  }
}

/** In the order of their names, which is one in which every step comes after those that it needs. */
function stepsUpTo(last: string): readonly string[] {
  const all = readdirSync("steps")
    .map((file) => file.replace(/\.sql$/, ""))
    .toSorted();
  if (last === "heads") return all;
  if (kind !== "branches") return all.filter((step) => step <= last);
  const needed = new Set([last]);
  for (const step of needed)
    for (const parent of parentsIn(readFileSync(`steps/${step}.sql`, "utf8"))) needed.add(parent);
  return all.filter((step) => needed.has(step));
}
