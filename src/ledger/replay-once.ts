import { type Fact, factKey, type FactKind } from "../core/facts.ts";
import type { History } from "../core/history.ts";
import { headsKey } from "../core/ledger.ts";
import { CannotJudge } from "../core/outcome.ts";
import { childEnvironment } from "./child-environment.ts";
import { instrumentSql } from "./instrument.sql.ts";
import type { VersionTableName } from "./quote.ts";
import { proveAddress } from "./prove-address.ts";
import { type ChildReport, describeEnd, type RunChild, runCommand } from "./run-command.ts";
import type { Log, Scratch, ScratchDatabase } from "./scratch.ts";

/** What a replay needs to know, the same for every replay of one bake. */
export type ReplayPlan = {
  readonly scratch: Scratch;
  readonly history: History;
  readonly commands: ReplayCommands;
  readonly runChild: RunChild;
  /** The environment that the child's is made from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly versionTable: VersionTableName;
  /** A `WITH … facts(k, o, n, d) AS (…)` head that leaves out the version table and all that is ours. */
  readonly factsQuery: string;
  readonly log: Log;
  readonly signal: AbortSignal;
};

type ReplayCommands = {
  readonly cwd: string;
  /** Reads the version table and nothing else, as `alembic current` does. */
  readonly current: readonly string[];
  readonly upgrade: (target: string) => readonly string[];
};

/** One revision applied, as the server saw it. */
type Movement = {
  readonly revision: string;
  /** Version rows afterwards, sorted. */
  readonly heads: readonly string[];
  /** null: a state that was known before the replay. */
  readonly facts: readonly Fact[] | null;
  readonly writes: readonly string[];
  readonly reads: readonly string[];
};

export type Replay = {
  readonly movements: readonly Movement[];
  /** Second spellings, by `factKey`. */
  readonly aliases: ReadonlyMap<string, { readonly fact: Fact; readonly definition: string }>;
};

/**
 * Runs `upgrade <target>` on a fresh database and tells what the server saw.
 * @param options.wanted version rows that the upgrade must end with
 * @param options.known head sets whose facts need not be taken again
 * @param options.prove require first that the child's address leads here
 * @throws CannotJudge `migration-failed`, `verify-failed` (exit 0 without having done it), or what
 * `proveAddress` throws
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
  const { scratch, history, commands, environment, log } = plan;
  const { target, wanted, known, prove } = options;
  const database = await scratch.createDatabase();
  try {
    await prepare(database, plan, known);
    const env = childEnvironment(environment, database.env);
    if (prove) await proveAddress(plan, database, env);

    const watch = watchProgress(database, history.revisions.size, log);
    const end = await runCommand(plan, commands.upgrade(target), env).finally(watch.stop);
    if (!end.succeeded) throw await failure(database, history, target, end);

    const replay = await collect(database);
    const reached = replay.movements.at(-1)?.heads ?? [];
    if (headsKey(reached) !== headsKey(wanted)) throw notDone(target, wanted, reached, end);
    return replay;
  } finally {
    await database.drop();
  }
}

async function prepare(
  { sql }: ScratchDatabase,
  { history, versionTable, factsQuery }: ReplayPlan,
  known: Iterable<readonly string[]>,
): Promise<void> {
  const revisions = [...history.revisions.keys()];
  const width = Math.max(0, ...revisions.map((id) => Array.from(id).length));
  await sql.unsafe(instrumentSql({ versionTable, width, factsQuery, revisions }));
  const heads = JSON.stringify([...known]);
  await sql`
    INSERT INTO __preflight_bake.known
    SELECT ARRAY(SELECT jsonb_array_elements_text(value)) FROM jsonb_array_elements(${heads}::text::jsonb)`;
}

/** The sequence shows through the child's open transaction. */
function watchProgress(
  { sql }: ScratchDatabase,
  of: number,
  log: Log,
): { readonly stop: () => Promise<void> } {
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
  return {
    stop: async () => {
      clearInterval(timer);
      await asked;
    },
  };
}

async function collect({ sql }: ScratchDatabase): Promise<Replay> {
  await sql`
    SELECT __preflight_bake.find_aliases(m.facts) FROM __preflight_bake.movement m
    WHERE m.facts IS NOT NULL ORDER BY m.ordinal DESC LIMIT 1`;
  const rows = await sql<
    { id: number; k: FactKind; o: string; n: string; d: string; second: string | null }[]
  >`
    SELECT id, k, o, n, d, second FROM __preflight_bake.fact`;
  const facts = new Map<number, Fact>();
  const aliases = new Map<string, { fact: Fact; definition: string }>();
  for (const { id, k, o, n, d, second } of rows) {
    const fact: Fact = { kind: k, object: o, name: n, definition: d };
    facts.set(id, fact);
    if (second !== null && second !== d) aliases.set(factKey(fact), { fact, definition: second });
  }
  const movements = await sql<
    {
      revision: string;
      heads: string[];
      facts: number[] | null;
      writes: string[];
      reads: string[];
    }[]
  >`
    SELECT revision, to_json(heads) AS heads, to_json(facts) AS facts, to_json(writes) AS writes, to_json(reads) AS reads
    FROM __preflight_bake.movement ORDER BY ordinal`;
  return {
    aliases,
    movements: movements.map((row) => ({
      revision: row.revision,
      heads: row.heads.toSorted(),
      facts: row.facts?.map((id) => facts.get(id)!) ?? null,
      writes: row.writes,
      reads: row.reads,
    })),
  };
}

async function failure(
  { sql }: ScratchDatabase,
  history: History,
  target: string,
  end: ChildReport,
): Promise<CannotJudge> {
  const [row] = await sql<{ applied: number; reached: number }[]>`
    SELECT a.last_value::int AS applied, r.last_value::int AS reached
    FROM __preflight_bake.applied a, __preflight_bake.reached r`;
  const { applied, reached } = row!;
  const last = applied === 0 ? undefined : [...history.revisions.keys()][reached - 1];
  const where =
    last === undefined
      ? "before the first revision was done"
      : `after revision ${last} (${applied} of ${history.revisions.size})`;
  const lines = end.lastLines.join("\n");
  return new CannotJudge(
    "migration-failed",
    `The replay of \`upgrade ${target}\` on an empty database ${describeEnd(end)} ${where}:\n${lines}`,
    /extension .* is not available|could not open extension control file/.test(lines)
      ? ["name a scratch server that has the extension with --scratch-url"]
      : ["make the migrations run on an empty database; they do so on every fresh start, too"],
  );
}

function notDone(
  target: string,
  wanted: readonly string[],
  reached: readonly string[],
  end: ChildReport,
): CannotJudge {
  const say = (heads: readonly string[]): string =>
    heads.length === 0 ? "none" : heads.join(", ");
  return new CannotJudge(
    "verify-failed",
    `The replay of \`upgrade ${target}\` ended with exit code 0, but the version rows are ${say(reached)} instead of ${say(wanted)}:\n${end.lastLines.join("\n")}`,
    ["check that the upgrade command and the history belong together"],
  );
}
