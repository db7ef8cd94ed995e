import { type Fact, factKey } from "../core/facts.ts";
import { ancestors, type History, maximal } from "../core/history.ts";
import { assumedRelative, escapeFact, type LedgerHome, relativeFact } from "../core/home.ts";
import { headsKey } from "../core/ledger.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Trace } from "../core/traces.ts";
import type { TableName, VersionTableName } from "../core/version-table.ts";
import { type Replay, replayOnce, type ReplayPlan as PassPlan } from "./replay-once.ts";
import { saltOf } from "./hash-row.ts";
import { compareRows, type RowsAtState } from "./rows.ts";

export type ReplayPlan = Omit<PassPlan, "home" | "versionTable"> & {
  /** Schema null: wherever the program's search_path leads, `public` or another home. */
  readonly versionTable: VersionTableName;
  /** Whether the project's own files say in so many words that its search_path begins with this schema. */
  readonly readPath: () => Promise<readonly (string | null)[]>;
};

/** What a history does, seen on a server, twice the same. */
export type ReplayedHistory = {
  /** `server_version_num`, such as 150018. */
  readonly serverVersion: number;
  readonly home: LedgerHome;
  /** Schema null: it stood in the home. */
  readonly versionTable: VersionTableName;
  readonly snapshots: readonly Snapshot[];
  /** Of the hashes in their traces. */
  readonly salt: string;
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

/** The schema after a set of heads; both sorted, the facts relative to the home. */
type Snapshot = {
  readonly heads: readonly string[];
  readonly facts: readonly Fact[];
  /** By revision: what shows in the rows that it ran. */
  readonly traces: ReadonlyMap<string, readonly Trace[]>;
};

/** What a revision did to rows of user tables, besides its DDL; sorted. */
type DataAccess = {
  /** Such as `UPDATE public.users`; also where no row matched. */
  readonly writes: readonly string[];
  /** Tables that were read: it may write where there are rows. */
  readonly reads: readonly string[];
  /** In each replay, all that it changed was changed in the transaction that wrote its version row. */
  readonly isAtomic: boolean;
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
    const moved = await replayElsewhere(plan, first);
    if (moved !== null) return described(plan, first, moved);
    plan.log("replaying again in public, to compare", { replays: first.replays });
    const second = await replayAll(withOtherHashSeed(inPublic), false);
    return described(plan, first, {
      pass: second,
      home: { kind: "bound" },
      versionTable,
      relate: escapeFact,
      spell: (text) => text,
    });
  } catch (error) {
    // A server or a child that was stopped fails in many ways.
    plan.signal.throwIfAborted();
    throw error;
  }
}

/** A second pass, and how what it saw is said in the words of the first one. */
type SecondPass = {
  readonly pass: Pass;
  readonly home: LedgerHome;
  readonly versionTable: VersionTableName;
  /** A fact of the second pass, relative to the home. */
  readonly relate: (fact: Fact) => Fact;
  /** Text of the second pass as the first one would have it. */
  readonly spell: (text: string) => string;
};

/** null: this history cannot live in another home, or comes to something else there. */
async function replayElsewhere(plan: ReplayPlan, first: Pass): Promise<SecondPass | null> {
  const { name, schema } = plan.versionTable;
  const isProgram = plan.upgrade.kind === "command";
  // A program may name its version table's schema, and leave the rest to the search_path.
  const places = schema !== null ? [schema] : isProgram ? [otherHome, "public"] : [otherHome];
  for (const place of places) {
    const there: PassPlan = {
      ...withOtherHashSeed({ ...plan, home: otherHome, versionTable: { schema: place, name } }),
    };
    const pass = await passIfPossible(there, isProgram);
    if (pass === "unheard") continue;
    if (pass === null) return null;
    const second = await describePass(plan, pass, place);
    const difference = firstDifference(first, second);
    if (difference === null) return second;
    plan.log(`the history comes to something else in another schema: ${difference}`);
    return null;
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

/** null: there is none. */
function firstDifference(first: Pass, second: SecondPass): string | null {
  const { pass, spell } = second;
  for (const [revision, access] of first.access) {
    const [difference] = differencesOf(access, accessOf(second, revision));
    if (difference !== undefined) return `revision ${revision}, ${difference}`;
  }
  for (const [key, { revision, facts }] of first.states) {
    const again = pass.states.get(key);
    if (again === undefined) continue;
    const there = new Map([...again.facts].map(([fact, each]) => [spell(fact), each]));
    const [odd] = [
      ...[...facts].filter(([fact]) => !there.has(fact)),
      ...[...there].filter(([fact]) => !facts.has(fact)),
    ];
    if (odd !== undefined) return `revision ${revision}, ${describe(odd[1])}`;
  }
  return null;
}

function described(plan: ReplayPlan, first: Pass, second: SecondPass): ReplayedHistory {
  const { pass, home, versionTable, relate } = second;
  return {
    serverVersion: plan.scratch.version,
    home,
    versionTable,
    snapshots: compareStates(plan.history, first, second),
    salt: saltOf(plan.history),
    revisions: compareAccess(plan.history, first, second),
    aliases: sortAliases(
      [...pass.aliases.values()].map(({ fact, definition }) => {
        const spelled = relate({ ...fact, definition });
        return [factKey(fact), { fact: relate(fact), definition: spelled.definition }];
      }),
    ),
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

/** All states that one pass went through. */
type Pass = {
  readonly states: Map<
    string,
    {
      readonly heads: readonly string[];
      readonly revision: string;
      readonly facts: ReadonlyMap<string, Fact>;
      readonly rows: RowsAtState;
    }
  >;
  readonly access: Map<
    string,
    { readonly writes: Set<string>; readonly reads: Set<string>; isAtomic: boolean }
  >;
  readonly aliases: Map<string, { readonly fact: Fact; readonly definition: string }>;
  readonly givenSchemas: Set<string>;
  readonly unreachable: Set<string>;
  programsHome: string | null;
  replays: number;
};

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
  keep(pass, await replayOnce(plan, { target, wanted, known, prove }));
}

function keep(pass: Pass, replay: Replay): void {
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

/** States that only one of the two passed through depend on chance, and are left out. */
function compareStates(
  history: History,
  first: Pass,
  { pass, home, relate, spell }: SecondPass,
): readonly Snapshot[] {
  const sameRows = compareRows(
    history,
    spell,
    (definition) => relate({ kind: "table", object: "", name: "", definition }).definition,
  );
  const snapshots: Snapshot[] = [];
  for (const [key, { heads, revision, facts, rows }] of first.states) {
    const again = pass.states.get(key);
    if (again === undefined) continue;
    const spelled = new Map([...again.facts].map(([fact, each]) => [spell(fact), each]));
    const differing = [
      ...[...facts].filter(([fact]) => !spelled.has(fact)),
      ...[...spelled].filter(([fact]) => !facts.has(fact)),
    ].map(([, fact]) => fact);
    if (differing.length > 0) throw unstable(revision, differing.map(describe));
    const made = [...again.facts.values()].filter((fact) => !isHomeItself(home, fact));
    snapshots.push({
      heads,
      facts: sortFacts(made.map(relate)),
      traces: sameRows(rows, again.rows),
    });
  }
  return snapshots.sort((a, b) => compareText(headsKey(a.heads), headsKey(b.heads)));
}

/** The schema that a program puts first is there before the first revision, whoever makes it. */
function isHomeItself(home: LedgerHome, { kind, object }: Fact): boolean {
  return home.kind === "program" && kind === "schema" && object === home.schema;
}

function compareAccess(
  history: History,
  first: Pass,
  second: SecondPass,
): ReadonlyMap<string, DataAccess> {
  const all = new Map<string, DataAccess>();
  for (const revision of history.revisions.keys()) {
    const one = first.access.get(revision);
    const two = accessOf(second, revision);
    const differing = differencesOf(one, two);
    if (differing.length > 0) throw unstable(revision, differing);
    all.set(revision, {
      writes: [...(one?.writes ?? [])].sort(),
      reads: [...(one?.reads ?? [])].sort(),
      isAtomic: one?.isAtomic === true && two?.isAtomic === true,
    });
  }
  return all;
}

type Access = {
  readonly writes: ReadonlySet<string>;
  readonly reads: ReadonlySet<string>;
  readonly isAtomic: boolean;
};

/** As the first pass would have it. */
function accessOf({ pass, spell }: SecondPass, revision: string): Access | undefined {
  const seen = pass.access.get(revision);
  return (
    seen && {
      writes: new Set([...seen.writes].map(spell)),
      reads: new Set([...seen.reads].map(spell)),
      isAtomic: seen.isAtomic,
    }
  );
}

function differencesOf(one: Access | undefined, two: Access | undefined): readonly string[] {
  const onlyIn = (these?: ReadonlySet<string>, those?: ReadonlySet<string>): readonly string[] =>
    [...(these ?? [])].filter((each) => those?.has(each) !== true);
  return [
    ...onlyIn(one?.writes, two?.writes),
    ...onlyIn(two?.writes, one?.writes),
    ...onlyIn(one?.reads, two?.reads).map((table) => `reads ${table}`),
    ...onlyIn(two?.reads, one?.reads).map((table) => `reads ${table}`),
  ];
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
