import { setTimeout as sleep } from "node:timers/promises";
import { withNames } from "../core/complaint.ts";
import type { DatabaseAddress } from "../core/database-address.ts";
import type { History } from "../core/history.ts";
import { CannotJudge } from "../core/outcome.ts";
import { quoteQualified } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";
import { advise } from "./confinement.ts";
import { wantOf } from "./extensions.ts";
import { bakeSchema } from "./instrument.sql.ts";
import {
  type CommandUpgrade,
  describeEnd,
  leadChild,
  possibleWays,
  runCommand,
  type Way,
} from "./lead-child.ts";
import type { Log, ScratchDatabase } from "./scratch.ts";

/** How migrations come into a scratch database: by the tool's own program, or by our runner. */
export type Upgrade = CommandUpgrade | NativeUpgrade;

export type NativeUpgrade = {
  readonly kind: "native";
  /** Applies the whole history. Throws CannotJudge `migration-failed` for a statement that fails. */
  readonly apply: (address: DatabaseAddress, table: TableName) => Promise<void>;
};

/** What an upgrade knows of the bake that it is part of. */
export type UpgradeContext = {
  readonly history: History;
  readonly versionTable: TableName;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/** An upgrade that failed nowhere, in its own words; whether it is done is seen in the database. */
export type Ended = { readonly says: string; readonly lastLines: readonly string[] };

/**
 * @param options.target of a command; our runner always goes to the end
 * @param options.prove require first that a child's address leads to this database
 * @throws CannotJudge `migration-failed`, or what `proveAddress` throws
 */
export async function upgradeScratch(
  upgrade: Upgrade,
  context: UpgradeContext,
  database: ScratchDatabase,
  options: { readonly target: string; readonly prove: boolean },
): Promise<Ended> {
  switch (upgrade.kind) {
    case "command":
      return await upgradeByCommand(upgrade, context, database, options);
    case "native":
      return await upgradeNatively(upgrade, context, database);
  }
}

async function upgradeByCommand(
  upgrade: CommandUpgrade,
  context: UpgradeContext,
  database: ScratchDatabase,
  { target, prove }: { readonly target: string; readonly prove: boolean },
): Promise<Ended> {
  if (prove) upgrade.proven.way = await proveAddress(upgrade, context, database);

  const child = await leadChild(upgrade, database, upgrade.proven.way);
  const stopWatching = watchProgress(database, context);
  const end = await runCommand(upgrade, context, child.command(target), child.env).finally(
    async () => await Promise.all([stopWatching(), child.done()]),
  );
  const replay = `The replay of \`upgrade ${target}\``;
  const { succeeded, lastLines, complaint } = end;
  if (succeeded) return { says: `${replay} ended with exit code 0`, lastLines };
  const lines = lastLines.join("\n");
  const where = await place(database, context.history);
  const { names, next, isOfVariables } = upgrade.explain(complaint ?? "", lastLines) ?? {
    names: [],
    next: remedies(lines),
    isOfVariables: false,
  };
  const hints = isOfVariables ? await upgrade.adviseOnVariables(names) : [];
  throw new CannotJudge(
    "migration-failed",
    `${replay} on an empty database ${describeEnd(end)} ${where}: ${withNames(complaint ?? silent, names)}`,
    [
      ...hints,
      ...advise(upgrade.protection, lines),
      ...wantOf(upgrade.without),
      ...next,
      allThatItPrinted,
    ],
  );
}

async function upgradeNatively(
  { apply }: NativeUpgrade,
  { history, versionTable }: UpgradeContext,
  database: ScratchDatabase,
): Promise<Ended> {
  try {
    await apply(database.address, versionTable);
  } catch (error) {
    if (!(error instanceof CannotJudge && error.outcome === "migration-failed")) throw error;
    throw new CannotJudge(
      "migration-failed",
      `The replay on an empty database failed ${await place(database, history)}: ${error.message}`,
      [...remedies(error.message), ...error.next],
    );
  }
  return { says: "The replay ended without an error", lastLines: [] };
}

/**
 * The sequence shows through the child's open transaction.
 * @returns ends the watch
 */
function watchProgress(
  { sql }: ScratchDatabase,
  { history, log }: UpgradeContext,
): () => Promise<void> {
  const of = history.revisions.size;
  let asked: Promise<void> = Promise.resolve();
  let last = 0;
  const ask = async (): Promise<void> => {
    const [row] = await sql<{ applied: number }[]>`
      SELECT last_value::int AS applied FROM __preflight_bake.applied`;
    if (row === undefined || row.applied === last) return;
    last = row.applied;
    log(`replaying: revision ${last} of ${of}`, { revision: last, of });
  };
  // A lost connection shows itself in the next statement that matters.
  const timer = setInterval(() => (asked = ask().catch(() => {})), 500);
  return async () => {
    clearInterval(timer);
    await asked;
  };
}

async function place({ sql }: ScratchDatabase, { revisions }: History): Promise<string> {
  const [row] = await sql<{ applied: number; reached: number; major: number }[]>`
    SELECT a.last_value::int AS applied, r.last_value::int AS reached,
           current_setting('server_version_num')::int / 10000 AS major
    FROM __preflight_bake.applied a, __preflight_bake.reached r`;
  const { applied, reached, major } = row!;
  const last = applied === 0 ? undefined : [...revisions.keys()][reached - 1];
  const where =
    last === undefined
      ? "before the first revision was done"
      : `after revision ${last} (${applied} of ${revisions.size})`;
  return `${where}, on PostgreSQL ${major}`;
}

const silent = "it printed nothing";

export const allThatItPrinted =
  "all that it printed, with the traceback of an error: preflight bake --verbose";

function remedies(said: string): readonly string[] {
  if (/extension .* is not available|could not open extension control file/.test(said))
    return [
      "take a scratch server that has the extension (--scratch-image, --scratch-url), or pass it over: --scratch-without",
    ];
  if (said.includes("can only create extension in database"))
    return ["pass pg_cron over: --scratch-without pg_cron; no database of a bake's can have it"];
  const isGivenElsewhere = /\b(role|schema|relation) "[^"]+" does not exist/.test(said);
  return [
    ...(isGivenElsewhere
      ? ["write what a database has before its first migration into a script: --scratch-init FILE"]
      : []),
    "make the migrations run on an empty database; they do so on every fresh start, too",
  ];
}

/**
 * Runs the child's read-only `current` and requires that this database saw it read the version
 * table. A history must never be replayed on a database that we did not make.
 * @returns how it was led here
 * @throws CannotJudge `config`
 */
async function proveAddress(
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
  const { versionTable } = context;
  const child = await leadChild(upgrade, database, way);
  const before = await timesRead(database, versionTable);
  const end = await runCommand(upgrade, context, child.current, child.env).finally(child.done);
  const heard = end.succeeded
    ? await hears(database, context, before)
    : (await timesRead(database, versionTable)) > before;
  if (end.succeeded && heard) return null;
  const command = upgrade.current.join(" ");
  if (!end.succeeded) {
    const advice = advise(upgrade.protection, end.lastLines.join("\n"));
    const { names, next, isOfVariables } = upgrade.explain(end.complaint ?? "", end.lastLines) ?? {
      names: [],
      next: ["make the command work with DATABASE_URL, POSTGRES_* or PG* from the environment"],
      isOfVariables: true,
    };
    const hints = isOfVariables ? await upgrade.adviseOnVariables(names) : [];
    const place =
      advice.length === 0
        ? `\`${command}\` ${describeEnd(end)} on the scratch database`
        : `The scratch database ${heard ? "heard" : "never heard"} from \`${command}\`, which ${describeEnd(end)} on its way to another: env.py takes an address from elsewhere, and nothing was replayed`;
    return new CannotJudge("config", `${place}: ${withNames(end.complaint ?? silent, names)}`, [
      ...hints,
      ...advice,
      ...wantOf(upgrade.without),
      ...next,
      allThatItPrinted,
    ]);
  }
  return new CannotJudge(
    "config",
    `The scratch database never heard from \`${command}\`: env.py takes its address from elsewhere, or uses another version table than ${quoteQualified(versionTable)}. Nothing was replayed.`,
    [
      ...(await upgrade.adviseOnVariables([])),
      "let env.py take its address from DATABASE_URL, POSTGRES_* or PG*",
      "name the version table with --version-table if it is another one",
      allThatItPrinted,
    ],
  );
}

/** A backend hands its counts over when it ends, a little after its client. */
async function hears(
  database: ScratchDatabase,
  { versionTable, signal }: UpgradeContext,
  before: number,
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
