import { type Fact, factKey } from "../core/facts.ts";
import { ancestors, maximal } from "../core/history.ts";
import { assumedRelative, escapeFact, relativeFact } from "../core/home.ts";
import { headsKey } from "../core/ledger.ts";
import { byText } from "../core/migration-tool.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { TableName, VersionTableName } from "../core/version-table.ts";
import type { Replay } from "../core/write-ledger.ts";
import {
  type Alias,
  compareAccess,
  compareStates,
  type DataAccess,
  differingFacts,
  firstDifference,
  type Pass,
  type SecondPass,
} from "./compare-passes.ts";
import { replayOnce, type ReplayPlan as PassPlan } from "./replay-once.ts";
import { saltOf } from "./rows.ts";

export type ReplayPlan = Omit<PassPlan, "home" | "versionTable"> & {
  /** Schema null: wherever the program's search_path leads, `public` or another home. */
  readonly versionTable: VersionTableName;
  /** Whether the project's own files say in so many words that its search_path begins with this schema. */
  readonly readPath: () => Promise<readonly (string | null)[]>;
  /** A person allows for it that this differs from one deployment to the next: a fact as it is in `public`. */
  readonly isVarying: (fact: Fact) => boolean;
};

/** What a history does, seen on a server, twice the same. */
export type ReplayedHistory = Pick<
  Replay,
  "serverVersion" | "home" | "versionTable" | "snapshots" | "salt"
> & {
  /** In the history's order. */
  readonly revisions: ReadonlyMap<string, DataAccess>;
  readonly aliases: readonly Alias[];
  /** Schemas that a prelude made; sorted. */
  readonly givenSchemas: readonly string[];
  /** Revisions that cannot be applied with their ancestors alone: they lean on another branch without saying so. */
  readonly unreachable: readonly string[];
  readonly replays: number;
};

/** The other home: a name that stands nowhere else. */
const otherHome = "preflight_bake_home";

/**
 * Replays the whole history on empty databases, and every revision with its ancestors alone; and all of it a second time,
 * in another home: what moved along is relative to it, what stayed is named by the history.
 * @throws CannotJudge `config` (the child's address leads elsewhere), `migration-failed`, or
 * `verify-failed` (the two differ: a migration depends on time or environment)
 */
export async function replayHistory(plan: ReplayPlan): Promise<ReplayedHistory> {
  const { versionTable } = plan;
  const place: TableName = { schema: versionTable.schema ?? "public", name: versionTable.name };
  const inPublic: PassPlan = { ...plan, home: null, versionTable: place };
  try {
    const first = await replayAll(inPublic, true);
    plan.log("replaying again in another schema, to compare", { replays: first.replays });
    const moved = await replayElsewhere(plan);
    if (moved !== null && firstDifference(first, moved, new Set()) === null)
      return described(plan, first, moved);
    plan.log("replaying again in public, to compare", { replays: first.replays });
    const again: SecondPass = {
      pass: await replayAll(withOtherHashSeed(inPublic), false),
      home: { kind: "bound" },
      versionTable,
      relate: escapeFact,
      spell: (text) => text,
    };
    // What differs there as well does so because of the time or the environment.
    const expected = new Set(differingFacts(first, again).map(({ place }) => place));
    const odd = moved === null ? null : firstDifference(first, moved, expected);
    if (moved !== null && odd === null) return described(plan, first, moved);
    if (odd !== null) plan.log(`the history comes to something else in another schema: ${odd}`);
    return described(plan, first, again);
  } catch (error) {
    // A server or a child that was stopped fails in many ways.
    plan.signal.throwIfAborted();
    throw error;
  }
}

/** null: this history cannot live in another home. */
async function replayElsewhere(plan: ReplayPlan): Promise<SecondPass | null> {
  const { name, schema } = plan.versionTable;
  const isProgram = plan.upgrade.kind === "command";
  // A program may name its version table's schema, and leave the rest to the search_path.
  const places = schema !== null ? [schema] : isProgram ? [otherHome, "public"] : [otherHome];
  for (const place of places) {
    const there: PassPlan = { ...plan, home: otherHome, versionTable: { schema: place, name } };
    const pass = await passIfPossible(withOtherHashSeed(there), isProgram);
    if (pass === "unheard") continue;
    if (pass === null) return null;
    return await describePass(plan, pass, place);
  }
  return null;
}

/** `unheard`: the program reads its version table in another schema. null: the history cannot be applied here. */
async function passIfPossible(plan: PassPlan, prove: boolean): Promise<Pass | "unheard" | null> {
  try {
    return await replayAll(plan, prove);
  } catch (error) {
    if (!(error instanceof CannotJudge)) throw error;
    plan.signal.throwIfAborted();
    plan.log("the history does not live in another schema", { reason: error.message });
    return error.outcome === "config" ? "unheard" : null;
  }
}

async function describePass(plan: ReplayPlan, pass: Pass, place: string): Promise<SecondPass> {
  const { versionTable } = plan;
  const { programsHome: schema } = pass;
  if (schema !== null && schema !== otherHome) {
    const isFixed = (await plan.readPath()).includes(schema);
    return {
      pass,
      home: { kind: "program", schema, isFixed },
      versionTable: { ...versionTable, schema: place === schema && !isFixed ? null : place },
      relate: isFixed ? escapeFact : (fact) => assumedRelative(fact, schema),
      spell: (text) => text,
    };
  }
  return {
    pass,
    home: { kind: "relative" },
    versionTable: place === otherHome ? versionTable : { ...versionTable, schema: place },
    relate: (fact) => relativeFact(fact, otherHome),
    spell: (text) => text.replaceAll(otherHome, "public"),
  };
}

function described(plan: ReplayPlan, first: Pass, second: SecondPass): ReplayedHistory {
  const { pass, home, versionTable, relate } = second;
  return {
    serverVersion: plan.scratch.version,
    home,
    versionTable,
    snapshots: compareStates(plan.history, first, second, plan.isVarying),
    salt: saltOf(plan.history),
    revisions: compareAccess(plan.history, first, second),
    aliases: [...pass.aliases]
      .sort(([one], [other]) => byText(one, other))
      .map(([, { fact, definition }]) => ({
        fact: relate(fact),
        definition: relate({ ...fact, definition }).definition,
      })),
    givenSchemas: [...first.givenSchemas].sort(),
    unreachable: [...first.unreachable].sort(),
    replays: first.replays + pass.replays,
  };
}

/** A migration that walks through a Python set differs from run to run: here it must show. */
function withOtherHashSeed(plan: PassPlan): PassPlan {
  const { upgrade } = plan;
  if (upgrade.kind === "native") return plan;
  const environment = { PYTHONHASHSEED: "1", ...upgrade.environment };
  return { ...plan, upgrade: { ...upgrade, environment } };
}

async function replayAll(plan: PassPlan, prove: boolean): Promise<Pass> {
  const { history, log } = plan;
  const pass: Pass = {
    states: new Map(),
    access: new Map(),
    aliases: new Map(),
    givenSchemas: new Set(),
    unreachable: new Set(),
    programsHome: null,
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
  plan: PassPlan,
  { target, wanted, prove }: { target: string; wanted: readonly string[]; prove: boolean },
): Promise<void> {
  pass.replays += 1;
  const known = [...pass.states.values()].map(({ heads }) => heads);
  const replay = await replayOnce(plan, { target, wanted, known, prove });
  for (const { revision, heads, facts, writes, reads, isAtomic, rows } of replay.movements) {
    if (facts !== null && !pass.states.has(headsKey(heads)))
      pass.states.set(headsKey(heads), {
        heads,
        revision,
        facts: new Map(facts.map((fact) => [factKey(fact), fact])),
        rows,
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
  pass.programsHome ??= replay.programsHome;
}
