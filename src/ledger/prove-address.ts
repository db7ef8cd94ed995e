import { setTimeout as sleep } from "node:timers/promises";
import { CannotJudge } from "../core/outcome.ts";
import { bakeSchema } from "./instrument.sql.ts";
import { quoteQualified } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";
import { type CommandUpgrade, leadChild, possibleWays, type Way } from "./lead-child.ts";
import { advise } from "./protection.ts";
import { describeEnd, runCommand } from "./run-command.ts";
import type { Log, ScratchDatabase } from "./scratch.ts";
import type { History } from "../core/history.ts";

/** What an upgrade knows of the bake that it is part of. */
export type UpgradeContext = {
  readonly history: History;
  readonly versionTable: TableName;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/**
 * Runs the child's read-only `current` and requires that this database saw it read the version
 * table. A history must never be replayed on a database that we did not make.
 * @returns how it was led here
 * @throws CannotJudge `config`
 */
export async function proveAddress(
  upgrade: CommandUpgrade,
  context: UpgradeContext,
  database: ScratchDatabase,
): Promise<Way> {
  let refusal: CannotJudge | null = null;
  for (const way of possibleWays(upgrade)) {
    const refused = await tryWay(way, upgrade, context, database);
    if (refused === null) return way;
    refusal ??= refused;
  }
  throw refusal!;
}

/** @returns why it did not arrive; null: it did */
async function tryWay(
  way: Way,
  upgrade: CommandUpgrade,
  context: UpgradeContext,
  database: ScratchDatabase,
): Promise<CannotJudge | null> {
  const { versionTable, signal } = context;
  const child = await leadChild(upgrade, database, way);
  const before = await timesRead(database, versionTable);
  const end = await runCommand(upgrade, context, child.current, child.env).finally(child.done);
  const heard = end.succeeded
    ? await hears(database, versionTable, before, signal)
    : (await timesRead(database, versionTable)) > before;
  if (end.succeeded && heard) return null;
  const command = upgrade.current.join(" ");
  const lines = end.lastLines.map((line) => `\n${line}`).join("");
  if (!end.succeeded) {
    const advice = advise(upgrade.protection, lines);
    const place =
      advice.length === 0
        ? `\`${command}\` ${describeEnd(end)} on the scratch database:`
        : `The scratch database ${heard ? "heard" : "never heard"} from \`${command}\`, which ${describeEnd(end)} on its way to another: env.py takes an address from elsewhere. Nothing was replayed.`;
    return new CannotJudge("config", place + lines, [
      ...advice,
      "make the command work with DATABASE_URL, POSTGRES_* or PG* from the environment",
    ]);
  }
  return new CannotJudge(
    "config",
    `The scratch database never heard from \`${command}\`: env.py takes its address from elsewhere, or uses another version table than ${quoteQualified(versionTable)}. Nothing was replayed.${lines}`,
    [
      "let env.py take its address from DATABASE_URL, POSTGRES_* or PG*",
      "name the version table with --version-table if it is another one",
    ],
  );
}

/** A backend hands its counts over when it ends, a little after its client. */
async function hears(
  database: ScratchDatabase,
  versionTable: TableName,
  before: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (let waited = 0; waited <= 3_000; waited += 50) {
    if ((await timesRead(database, versionTable)) > before) return true;
    await sleep(50, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  return false;
}

/** Our own connection counts too (building the primary key's index was a scan), so it hands over first. */
async function timesRead({ sql }: ScratchDatabase, versionTable: TableName): Promise<number> {
  await sql`SELECT pg_catalog.pg_stat_force_next_flush()`;
  const [row] = await sql<{ scans: number }[]>`
    SELECT (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::int AS scans
    FROM pg_catalog.pg_stat_user_tables
    WHERE relid = ${quoteQualified(versionTable)}::text::regclass AND schemaname <> ${bakeSchema}`;
  return row?.scans ?? 0;
}
