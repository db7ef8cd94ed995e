import { type Fact, factKey, type FactKind, withoutStorage } from "../core/facts.ts";
import { headsKey } from "../core/ledger.ts";
import { CannotJudge } from "../core/outcome.ts";
import { quoteIdentifier } from "../core/quote.ts";
import type { Alias } from "./compare-passes.ts";
import { instrumentSql, movementsSeenSql } from "./instrument.sql.ts";
import {
  type ConditionNoted,
  type DescribeCondition,
  followRows,
  type RowsAtState,
  type RowsNoted,
} from "./rows.ts";
import type { Scratch, ScratchDatabase } from "./scratch.ts";
import {
  allThatItPrinted,
  type Ended,
  type Upgrade,
  type UpgradeContext,
  upgradeScratch,
} from "./upgrade.ts";

/** What a replay needs to know, the same for every replay of one bake. */
export type ReplayPlan = UpgradeContext & {
  /** The schema that comes first in the search_path, made for it; null: as the scratch server has it, `public`. */
  readonly home: string | null;
  readonly scratch: Scratch;
  readonly upgrade: Upgrade;
  /** A `WITH … facts(k, o, n, d) AS (…)` head that leaves out the version table and all that is ours. */
  readonly factsQuery: string;
  /** The rows that a statement changes, in its own words, and its table's name; null: it is not as simple as that. */
  readonly conditionOf: (
    statement: string,
  ) => Promise<{ readonly table: string; readonly where: string } | null>;
};

/** One revision applied, as the server saw it. */
type Movement = {
  readonly revision: string;
  /** Of the version rows afterwards those on which no other stands, sorted. */
  readonly heads: readonly string[];
  /** Without those that were there before the first migration; null: a state that was known before the replay. */
  readonly facts: readonly Fact[] | null;
  readonly writes: readonly string[];
  readonly reads: readonly string[];
  /** All that it changed was changed in the transaction that wrote its version row. */
  readonly isAtomic: boolean;
  readonly rows: RowsAtState;
};

export type Replay = {
  readonly movements: readonly Movement[];
  /** By `factKey`. */
  readonly aliases: ReadonlyMap<string, Alias>;
  /** Schemas that were there before the first migration, besides `public` and the version table's; sorted. */
  readonly givenSchemas: readonly string[];
  /** The schema that the program's session had first in its search_path; null: no program, or nothing was applied. */
  readonly programsHome: string | null;
};

/**
 * Upgrades a fresh database and tells what the server saw.
 * @param options.wanted heads that the upgrade must end with
 * @param options.known head sets whose facts need not be taken again
 * @param options.prove require first that the child's address leads here
 * @throws CannotJudge `verify-failed` (the upgrade ended well without having done it), or what
 * `upgradeScratch` throws
 */
export async function replayOnce(
  plan: ReplayPlan,
  options: {
    readonly target: string;
    readonly wanted: readonly string[];
    readonly known: Iterable<readonly string[]>;
    readonly prove: boolean;
  },
): Promise<Replay> {
  const { target, wanted, known, prove } = options;
  const database = await plan.scratch.createDatabase();
  try {
    await prepare(database, plan, known);
    const ended = await upgradeScratch(plan.upgrade, plan, database, { target, prove });
    const replay = await collect(database, plan);
    const reached = replay.movements.at(-1)?.heads ?? [];
    if (headsKey(reached) !== headsKey(wanted)) throw notDone(ended, wanted, reached, plan.log);
    return replay;
  } finally {
    await database.drop();
  }
}

async function prepare(
  { sql }: ScratchDatabase,
  { history, home, versionTable, factsQuery }: ReplayPlan,
  known: Iterable<readonly string[]>,
): Promise<void> {
  if (home !== null) await sql.unsafe(putHomeFirst(home));
  await sql.unsafe(instrumentSql({ versionTable, factsQuery, history }));
  const heads = JSON.stringify([...known]);
  await sql`
    INSERT INTO __preflight_bake.known
    SELECT ARRAY(SELECT jsonb_array_elements_text(value)) FROM jsonb_array_elements(${heads}::text::jsonb)`;
}

/** For sessions to come, over whatever the server, the database or the role has set. */
function putHomeFirst(home: string): string {
  return `
CREATE SCHEMA ${quoteIdentifier(home)};
DO $$ BEGIN
  EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = ${quoteIdentifier(home)}, %s',
                 current_user, current_database(), current_setting('search_path'));
END $$`;
}

async function collect({ sql }: ScratchDatabase, plan: ReplayPlan): Promise<Replay> {
  const { versionTable, home } = plan;
  await sql`
    SELECT __preflight_bake.find_aliases(m.facts) FROM __preflight_bake.movement m
    WHERE m.facts IS NOT NULL ORDER BY m.ordinal DESC LIMIT 1`;
  const rows = await sql<
    { id: number; k: FactKind; o: string; n: string; d: string; second: string | null }[]
  >`
    SELECT id, k, o, n, d, second FROM __preflight_bake.fact`;
  const facts = new Map<number, Fact>();
  const aliases = new Map<string, Alias>();
  for (const { id, k, o, n, d, second } of rows) {
    const fact = withoutStorage({ kind: k, object: o, name: n, definition: d });
    facts.set(id, fact);
    if (second === null || second === d) continue;
    const { definition } = withoutStorage({ ...fact, definition: second });
    aliases.set(factKey(fact), { fact, definition });
  }
  type Noted = Omit<Movement, "facts" | "rows"> & { facts: number[] | null; rows: RowsNoted };
  const movements = await sql<Noted[]>`
    SELECT revision, to_json(heads) AS heads, to_json(facts) AS facts, to_json(writes) AS writes, to_json(reads) AS reads,
           is_atomic AS "isAtomic", rows::json AS rows
    FROM (${sql.unsafe(movementsSeenSql)}) AS seen ORDER BY ordinal`;
  const schemas = await sql<{ name: string }[]>`
    SELECT f.o AS name FROM __preflight_bake.given g JOIN __preflight_bake.fact f ON f.id = g.fact
    WHERE f.k = 'schema' AND f.o NOT IN ('public', ${versionTable.schema}, ${home ?? "public"})`;
  const [first] = await sql<{ schema: string }[]>`SELECT schema FROM __preflight_bake.home`;
  const rowsAfter = await followRows(movements, describeCondition(sql, plan));
  return {
    aliases,
    movements: movements.map((movement, index) => ({
      ...movement,
      heads: movement.heads.toSorted(),
      facts: movement.facts?.map((id) => facts.get(id)!) ?? null,
      rows: rowsAfter[index]!,
    })),
    givenSchemas: schemas.map(({ name }) => name).sort(),
    programsHome: first?.schema ?? null,
  };
}

/** Before PostgreSQL 15, scans are not counted exactly. */
const countsScans = 150_000;

function describeCondition(
  sql: ScratchDatabase["sql"],
  { scratch, conditionOf }: ReplayPlan,
): DescribeCondition {
  return async (relation, statement) => {
    if (scratch.version < countsScans) return null;
    const said = await conditionOf(statement);
    if (said === null) return null;
    const [row] = await sql<{ condition: ConditionNoted | null }[]>`
      SELECT __preflight_bake.describe_condition(${relation}::bigint::oid, ${said.table}::text::name, ${said.where}) AS condition`;
    return row?.condition ?? null;
  };
}

/** A person needs the last that it said; what led there is in the log. */
function notDone(
  { says, lastLines }: Ended,
  wanted: readonly string[],
  reached: readonly string[],
  log: ReplayPlan["log"],
): CannotJudge {
  const say = (heads: readonly string[]): string =>
    heads.length === 0 ? "none" : heads.join(", ");
  const last = lastLines.at(-1);
  for (const line of lastLines.slice(-20)) log(`it printed: ${line}`);
  return new CannotJudge(
    "verify-failed",
    `${says}, but the version rows are ${say(reached)} instead of ${say(wanted)}${last === undefined ? "" : `; the last that it printed: ${last}`}`,
    [
      "check that the upgrade command and the history belong together",
      ...(last === undefined ? [] : [allThatItPrinted]),
    ],
  );
}
