import { type Fact, factKey } from "../core/facts.ts";
import { ancestors, type History, maximal } from "../core/history.ts";
import { headsKey } from "../core/ledger.ts";
import { CannotJudge } from "../core/outcome.ts";
import { type Replay, replayOnce, type ReplayPlan } from "./replay-once.ts";

/** What a history does, seen on a server, twice the same. */
export type ReplayedHistory = {
  /** `server_version_num`, such as 150018. */
  readonly serverVersion: number;
  readonly snapshots: readonly Snapshot[];
  /** In the history's order. */
  readonly revisions: ReadonlyMap<string, DataAccess>;
  /** Second spellings that dump and restore would give a fact. */
  readonly aliases: readonly { readonly fact: Fact; readonly definition: string }[];
  /** Schemas that a prelude made; sorted. */
  readonly givenSchemas: readonly string[];
  /** Revisions that cannot be applied with their ancestors alone: they lean on another branch without saying so. */
  readonly unreachable: readonly string[];
  readonly replays: number;
};

/** The schema after a set of heads; both sorted. */
type Snapshot = { readonly heads: readonly string[]; readonly facts: readonly Fact[] };

/** What a revision did to rows of user tables, besides its DDL; sorted. */
type DataAccess = {
  /** Such as `UPDATE public.users`; also where no row matched. */
  readonly writes: readonly string[];
  /** Tables that were read: it may write where there are rows. */
  readonly reads: readonly string[];
  /** In each replay, all that it changed was changed in the transaction that wrote its version row. */
  readonly isAtomic: boolean;
};

/**
 * Replays the whole history on empty databases, and every revision with its ancestors alone, and all
 * of it a second time.
 * @throws CannotJudge `config` (the child's address leads elsewhere), `migration-failed`, or
 * `verify-failed` (the two differ: a migration depends on time or environment)
 */
export async function replayHistory(plan: ReplayPlan): Promise<ReplayedHistory> {
  try {
    const first = await replayAll(plan, true);
    plan.log("replaying again, to compare", { replays: first.replays });
    const second = await replayAll(withOtherHashSeed(plan), false);
    const snapshots = compareStates(first, second);
    const revisions = compareAccess(plan.history, first, second);
    return {
      serverVersion: plan.scratch.version,
      snapshots,
      revisions,
      aliases: sortAliases([...first.aliases, ...second.aliases]),
      givenSchemas: [...first.givenSchemas].sort(),
      unreachable: [...first.unreachable].sort(),
      replays: first.replays + second.replays,
    };
  } catch (error) {
    // A server or a child that was stopped fails in many ways.
    plan.signal.throwIfAborted();
    throw error;
  }
}

/** A migration that walks through a Python set differs from run to run: here it must show. */
function withOtherHashSeed(plan: ReplayPlan): ReplayPlan {
  const { upgrade } = plan;
  if (upgrade.kind === "native") return plan;
  const environment = { PYTHONHASHSEED: "1", ...upgrade.environment };
  return { ...plan, upgrade: { ...upgrade, environment } };
}

/** All states that one pass went through. */
type Pass = {
  readonly states: Map<
    string,
    {
      readonly heads: readonly string[];
      readonly revision: string;
      readonly facts: ReadonlyMap<string, Fact>;
    }
  >;
  readonly access: Map<
    string,
    { readonly writes: Set<string>; readonly reads: Set<string>; isAtomic: boolean }
  >;
  readonly aliases: Map<string, { readonly fact: Fact; readonly definition: string }>;
  readonly givenSchemas: Set<string>;
  readonly unreachable: Set<string>;
  replays: number;
};

async function replayAll(plan: ReplayPlan, prove: boolean): Promise<Pass> {
  const { history, log } = plan;
  const pass: Pass = {
    states: new Map(),
    access: new Map(),
    aliases: new Map(),
    givenSchemas: new Set(),
    unreachable: new Set(),
    replays: 0,
  };
  if (history.revisions.size === 0) return pass;
  await replayInto(pass, plan, { target: "heads", wanted: maximal(history, history.heads), prove });
  // Deepest first: its replay passes through most of the others.
  for (const id of [...history.revisions.keys()].reverse()) {
    const wanted = maximal(history, ancestors(history, [id]));
    if (pass.states.has(headsKey(wanted))) continue;
    try {
      await replayInto(pass, plan, { target: id, wanted, prove: false });
    } catch (error) {
      if (!(error instanceof CannotJudge && error.outcome === "migration-failed")) throw error;
      log("a revision fails without the other branches", { revision: id, reason: error.message });
      pass.unreachable.add(id);
    }
  }
  return pass;
}

async function replayInto(
  pass: Pass,
  plan: ReplayPlan,
  { target, wanted, prove }: { target: string; wanted: readonly string[]; prove: boolean },
): Promise<void> {
  pass.replays += 1;
  const known = [...pass.states.values()].map(({ heads }) => heads);
  keep(pass, await replayOnce(plan, { target, wanted, known, prove }));
}

function keep(pass: Pass, replay: Replay): void {
  for (const { revision, heads, facts, writes, reads, isAtomic } of replay.movements) {
    if (facts !== null && !pass.states.has(headsKey(heads)))
      pass.states.set(headsKey(heads), {
        heads,
        revision,
        facts: new Map(facts.map((fact) => [factKey(fact), fact])),
      });
    const seen = pass.access.get(revision) ?? {
      writes: new Set(),
      reads: new Set(),
      isAtomic: true,
    };
    pass.access.set(revision, seen);
    seen.isAtomic &&= isAtomic;
    for (const write of writes) seen.writes.add(write);
    for (const read of reads) seen.reads.add(read);
  }
  for (const [key, alias] of replay.aliases) pass.aliases.set(key, alias);
  for (const schema of replay.givenSchemas) pass.givenSchemas.add(schema);
}

/** States that only one of the two passed through depend on chance, and are left out. */
function compareStates(first: Pass, second: Pass): readonly Snapshot[] {
  const snapshots: Snapshot[] = [];
  for (const [key, { heads, revision, facts }] of first.states) {
    const again = second.states.get(key);
    if (again === undefined) continue;
    const differing = [
      ...[...facts].filter(([fact]) => !again.facts.has(fact)),
      ...[...again.facts].filter(([fact]) => !facts.has(fact)),
    ].map(([, fact]) => fact);
    if (differing.length > 0) throw unstable(revision, differing.map(describe));
    snapshots.push({ heads, facts: sortFacts([...facts.values()]) });
  }
  return snapshots.sort((a, b) => compareText(headsKey(a.heads), headsKey(b.heads)));
}

function compareAccess(
  history: History,
  first: Pass,
  second: Pass,
): ReadonlyMap<string, DataAccess> {
  const all = new Map<string, DataAccess>();
  for (const revision of history.revisions.keys()) {
    const one = first.access.get(revision);
    const two = second.access.get(revision);
    const differing = [
      ...[...(one?.writes ?? [])].filter((write) => two?.writes.has(write) !== true),
      ...[...(two?.writes ?? [])].filter((write) => one?.writes.has(write) !== true),
      ...[...(one?.reads ?? [])]
        .filter((read) => two?.reads.has(read) !== true)
        .map((table) => `reads ${table}`),
      ...[...(two?.reads ?? [])]
        .filter((read) => one?.reads.has(read) !== true)
        .map((table) => `reads ${table}`),
    ];
    if (differing.length > 0) throw unstable(revision, differing);
    all.set(revision, {
      writes: [...(one?.writes ?? [])].sort(),
      reads: [...(one?.reads ?? [])].sort(),
      isAtomic: one?.isAtomic === true && two?.isAtomic === true,
    });
  }
  return all;
}

function unstable(revision: string, differing: readonly string[]): CannotJudge {
  const shown = differing.slice(0, 10).join("; ");
  const more = differing.length > 10 ? `; and ${differing.length - 10} more` : "";
  return new CannotJudge(
    "verify-failed",
    `Two replays differ: migration ${revision} depends on time or environment. Only in one of the two: ${shown}${more}.`,
    ["make the migration do the same every time, then bake again"],
  );
}

function describe({ kind, object, name, definition }: Fact): string {
  return `${kind} ${object}${name === "" ? "" : ` ${name}`} ${definition}`.trim();
}

function sortAliases(
  aliases: readonly [string, { readonly fact: Fact; readonly definition: string }][],
): readonly { readonly fact: Fact; readonly definition: string }[] {
  return [...new Map(aliases)].sort(([a], [b]) => compareText(a, b)).map(([, alias]) => alias);
}

function sortFacts(facts: readonly Fact[]): readonly Fact[] {
  return facts
    .map((fact) => [factKey(fact), fact] as const)
    .sort(([a], [b]) => compareText(a, b))
    .map(([, fact]) => fact);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
