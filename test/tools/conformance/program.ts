/**
 * A migration tool's own program, small and real: `program.ts each|newest up|current [VERSION]`, in a directory with `steps/*.sql`.
 * `each` keeps a row for every step, written in the step's own transaction. `newest` keeps one row and a mark that a step has
 * begun, written in transactions of their own.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import postgres from "postgres";

const [rows, command, target = "heads"] = process.argv.slice(2);
const sql = postgres(process.env["DATABASE_URL"] ?? "", { max: 1, onnotice: () => {} });
try {
  if (command === "up") await up();
  else process.stdout.write(`at ${(await current()).join(", ") || "nothing"}\n`);
} finally {
  await sql.end();
}

async function current(): Promise<readonly string[]> {
  const table = rows === "each" ? "step_log" : "step_version";
  const [{ exists } = { exists: false }] = await sql<{ exists: boolean }[]>`
    SELECT to_regclass(${table}) IS NOT NULL AS exists`;
  if (!exists) return [];
  const found = await sql<{ step: string }[]>`SELECT step FROM ${sql(table)} ORDER BY step`;
  return found.map(({ step }) => step);
}

async function up(): Promise<void> {
  await sql.unsafe(
    rows === "each"
      ? "CREATE TABLE IF NOT EXISTS step_log (step text PRIMARY KEY, logged_at timestamptz NOT NULL DEFAULT now())"
      : "CREATE TABLE IF NOT EXISTS step_version (step text PRIMARY KEY, dirty boolean NOT NULL)",
  );
  const done = await current();
  const newest = done.at(-1) ?? "";
  for (const file of readdirSync("steps").toSorted()) {
    const step = file.replace(/\.sql$/, "");
    if (rows === "each" ? done.includes(step) : step <= newest) continue;
    if (target !== "heads" && step > target) break;
    const text = readFileSync(`steps/${file}`, "utf8");
    if (rows === "each")
      await sql.begin(async (within) => {
        await within.unsafe(text);
        await within`INSERT INTO step_log (step) VALUES (${step})`;
      });
    else {
      await sql.begin(async (within) => {
        await within`DELETE FROM step_version`;
        await within`INSERT INTO step_version VALUES (${step}, true)`;
      });
      await sql.unsafe(text);
      await sql`UPDATE step_version SET dirty = false`;
    }
  }
}
