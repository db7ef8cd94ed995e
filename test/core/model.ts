import fc from "fast-check";
import { claimOf, recordsEveryRevision, rowsFor } from "../../src/core/claim.ts";
import { type Fact, factKey, isSoft, placeKey } from "../../src/core/facts.ts";
import { ancestors, type History, maximal } from "../../src/core/history.ts";
import { type Knowledge, combine } from "../../src/core/knowledge.ts";
import type { LedgerRevision } from "../../src/core/ledger.ts";
import type { MigrationTool } from "../../src/core/migration-tool.ts";
import type { Observation, RowAnswer } from "../../src/core/observation.ts";
import type { Revision } from "../../src/core/revision.ts";
import type { Policy, Step } from "../../src/core/step.ts";
import type { Traces } from "../../src/core/traces.ts";
import { type Replay, writeLedger } from "../../src/core/write-ledger.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";

/** A revision of the model: what it does to the schema, and whether it touches rows. */
export type ModelRevision = {
  readonly id: string;
  readonly needs: readonly string[];
  readonly drops: readonly Fact[];
  readonly adds: readonly Fact[];
  readonly data: LedgerRevision["data"];
  readonly isAtomic?: boolean;
  readonly saysIfNotExists?: boolean;
  /** Its rows stay where it put them, and are the same each time. */
  readonly leavesRows?: boolean;
};

/** A migration tool and a database in a few lines: enough to carry out a plan. */
export type ModelDatabase = {
  readonly rows: readonly string[];
  readonly facts: ReadonlyMap<string, Fact>;
  /** How often each revision that touches rows has run. */
  readonly ran: ReadonlyMap<string, number>;
};

/** The settings' defaults. */
export const policy: Policy = {
  stamp: "proven",
  drift: "fail",
  ahead: "compatible",
  unverified: "start",
  assume: null,
  allowOutOfOrder: false,
  resume: false,
};

export function fact(kind: Fact["kind"], object: string, name = "", definition = ""): Fact {
  return { kind, object, name, definition };
}

export function table(name: string, ...columns: readonly string[]): readonly Fact[] {
  return [
    fact("table", `public.${name}`, "", "r"),
    ...columns.map((column) => fact("column", `public.${name}`, column, "text")),
  ];
}

export function revision(
  id: string,
  needs: readonly string[],
  adds: readonly Fact[] = [],
  rest: Partial<ModelRevision> = {},
): ModelRevision {
  return { id, needs, adds, drops: [], data: "none", ...rest };
}

/** `revisions` in an order in which needs come first. */
export function historyOf(
  revisions: readonly ModelRevision[],
  tool: MigrationTool = alembic,
): History {
  const parents = new Set(revisions.flatMap(({ needs }) => needs));
  return {
    tool,
    revisions: new Map(revisions.map((each) => [each.id, fileOf(each)])),
    heads: revisions
      .map(({ id }) => id)
      .filter((id) => !parents.has(id))
      .sort(),
    bases: revisions
      .filter(({ needs }) => needs.length === 0)
      .map(({ id }) => id)
      .sort(),
    needs: new Map(revisions.map(({ id, needs }) => [id, needs])),
  };
}

function fileOf({
  id,
  needs,
  adds,
  isAtomic = true,
  saysIfNotExists = false,
}: ModelRevision): Revision {
  return {
    id,
    parents: needs,
    dependsOn: [],
    labels: [],
    title: "",
    file: `versions/${id}.py`,
    hash: `hash of ${id}`,
    isEmpty: true,
    isAtomic,
    saysIfNotExists,
    readsEnvironment: false,
    sketch: adds.flatMap(({ kind, object, name }): Revision["sketch"] => {
      const at = { schema: null, name: object.replace("public.", "") };
      if (kind === "table") return [{ kind: "create-table", table: at, columns: [] }];
      return kind === "column" ? [{ kind: "add-column", table: at, column: name }] : [];
    }),
  };
}

/** The facts that these revisions make on an empty database, in the history's order. */
export function factsAfter(
  revisions: readonly ModelRevision[],
  applied: ReadonlySet<string>,
): ReadonlyMap<string, Fact> {
  const facts = new Map<string, Fact>();
  for (const each of revisions) if (applied.has(each.id)) change(facts, each);
  return facts;
}

function change(facts: Map<string, Fact>, { drops, adds }: ModelRevision): void {
  for (const drop of drops) facts.delete(factKey(drop));
  for (const add of adds) facts.set(factKey(add), add);
}

/** What a bake would see: every revision with its ancestors alone, and the way of `upgrade heads`. */
export function replayOf(revisions: readonly ModelRevision[]): Replay {
  const history = historyOf(revisions);
  const snapshots = new Map<string, Replay["snapshots"][number]>();
  const take = (ids: Iterable<string>): void => {
    const heads = maximal(history, ids);
    const facts = factsAfter(revisions, ancestors(history, heads));
    const traces = tracesAfter(revisions, ancestors(history, heads));
    snapshots.set(heads.join(" "), { heads, facts: [...facts.values()], traces });
  };
  for (const { id } of revisions) take(ancestors(history, [id]));
  for (let length = 1; length <= revisions.length; length++)
    take(revisions.slice(0, length).map(({ id }) => id));
  return {
    serverVersion: 150_000,
    home: { kind: "relative" },
    versionTable: { schema: null, name: "alembic_version" },
    snapshots: [...snapshots.values()],
    data: new Map(revisions.map(({ id, data }) => [id, data])),
    atomic: new Set(history.revisions.keys()),
    spellings: [],
    given: [],
    without: new Map(),
    salt: "0123456789abcdef",
  };
}

function tracesAfter(revisions: readonly ModelRevision[], applied: ReadonlySet<string>): Traces {
  return new Map(
    revisions
      .filter(({ id, leavesRows }) => applied.has(id) && leavesRows === true)
      .map(({ id }) => [
        id,
        [{ kind: "rows", table: `<home>.${id}`, columns: ["id"], hashes: [`of ${id}`] }],
      ]),
  );
}

/** What a database says when it is asked for all rows that its data migrations may have left. */
export function answersOf(
  revisions: readonly ModelRevision[],
  { ran }: Pick<ModelDatabase, "ran">,
): readonly RowAnswer[] {
  return revisions.map(({ id }) => ({
    kind: "rows",
    table: `public.${id}`,
    columns: ["id"],
    found: ran.has(id) ? [`of ${id}`] : [],
  }));
}

export function knowledgeOf(
  revisions: readonly ModelRevision[],
  tool: MigrationTool = alembic,
): Knowledge {
  const history = historyOf(revisions, tool);
  return combine(history, writeLedger(history, replayOf(revisions), null, []));
}

/** A database at which these heads have been applied, whatever its rows say. */
export function databaseAt(
  revisions: readonly ModelRevision[],
  heads: readonly string[],
  rows: readonly string[] = heads,
): ModelDatabase {
  const applied = ancestors(historyOf(revisions), heads);
  const touching = revisions.filter(({ id, data }) => applied.has(id) && data !== "none");
  return {
    rows,
    facts: factsAfter(revisions, applied),
    ran: new Map(touching.map(({ id }) => [id, 1])),
  };
}

export function observe(
  { rows, facts }: Pick<ModelDatabase, "rows" | "facts">,
  rest: Partial<Observation> = {},
): Observation {
  return {
    server: {
      version: 150_000,
      database: "shop",
      searchPath: ["public"],
      inRecovery: false,
      readOnly: false,
      readOnlyBy: null,
      startedAt: "2026-01-01T00:00:00Z",
    },
    role: {
      name: "shop",
      canCreate: true,
      canCreateSchema: true,
      searchPath: ["public"],
      hasUserInPath: false,
      schemas: { public: { canUse: true, canCreate: true } },
    },
    home: { schema: "public", spelled: "public", by: "path", createsIn: "public", program: null },
    elsewhere: null,
    rows: null,
    journal: null,
    versionTable: {
      schema: "public",
      name: "alembic_version",
      rows,
      stored: rows,
      digests: new Map(),
      fileNames: new Map(),
      isDirty: false,
      unreadable: null,
      canRead: true,
      width: 32,
      isTable: true,
      canWrite: true,
      isGuarded: false,
      owned: true,
    },
    otherVersionTables: [],
    neighbours: [],
    progress: [],
    canWriteProgress: null,
    otherTools: [],
    facts: [...facts.values()],
    buildingIndexes: [],
    ...rest,
  };
}

/** Carries out a plan as the tool would. Null: a revision failed (what it makes is there, or what it drops is not). */
export function carryOut(
  revisions: readonly ModelRevision[],
  database: ModelDatabase,
  steps: readonly Step[],
  tool: MigrationTool = alembic,
): ModelDatabase | null {
  const history = historyOf(revisions, tool);
  let { rows } = database;
  const facts = new Map(database.facts);
  const ran = new Map(database.ran);
  for (const step of steps) {
    if (step.kind === "stamp") rows = rowsFor(history, step.to, rows);
    if (step.kind !== "upgrade") continue;
    const applied = new Set(claimOf(history, rows).applied);
    for (const each of revisions) {
      if (applied.has(each.id)) continue;
      const places = new Set([...facts.values()].map(placeKey));
      for (const drop of each.drops) if (!facts.delete(factKey(drop)) && !isSoft(drop)) return null;
      const dropped = new Set(each.drops.map(placeKey));
      const isInTheWay = (add: Fact): boolean =>
        !isSoft(add) && places.has(placeKey(add)) && !dropped.has(placeKey(add));
      if (each.adds.some(isInTheWay)) return null;
      for (const add of each.adds) facts.set(factKey(add), add);
      if (each.data !== "none") ran.set(each.id, (ran.get(each.id) ?? 0) + 1);
      applied.add(each.id);
    }
    rows = recordsEveryRevision(tool)
      ? [...new Set([...rows, ...applied])]
      : maximal(history, applied);
  }
  return { rows, facts, ran };
}

/** Random histories: branches, merges, tables made, changed and dropped, reverts, data migrations, revisions that do nothing. */
export const anyRevisions: fc.Arbitrary<readonly ModelRevision[]> = fc
  .array(
    fc.record({
      parents: fc.array(fc.nat(), { minLength: 1, maxLength: 2 }),
      isBranch: fc.nat(5),
      deed: fc.constantFrom(
        "table",
        "table",
        "column",
        "index",
        "drop",
        "retype",
        "comment",
        "nothing",
      ),
      pick: fc.nat(),
      data: fc.constantFrom("none", "none", "none", "writes", "reads"),
      leavesRows: fc.boolean(),
    }),
    { minLength: 1, maxLength: 9 },
  )
  .map((plans) => {
    const made: ModelRevision[] = [];
    for (const [index, plan] of plans.entries()) {
      const id = `r${index}`;
      const needs = chooseNeeds(plan, index);
      const history = historyOf(made);
      const kept = maximal(history, needs);
      const before = [...factsAfter(made, ancestors(history, kept)).values()];
      const deed = deedOf(plan.deed, plan.pick, index, before);
      // Rows need a table to be in.
      const hasTable = [...before, ...deed.adds].some(({ kind }) => kind === "table");
      const data = hasTable ? plan.data : "none";
      const leavesRows = data === "writes" && plan.leavesRows;
      made.push({ id, needs: kept, data, leavesRows, ...deed });
    }
    return made;
  })
  // Branches that contradict each other cannot be released.
  .filter((made) => {
    const empty: ModelDatabase = { rows: [], facts: new Map(), ran: new Map() };
    return carryOut(made, empty, [{ kind: "upgrade", revisions: [] }]) !== null;
  });

function chooseNeeds(
  { parents, isBranch }: { readonly parents: readonly number[]; readonly isBranch: number },
  index: number,
): readonly string[] {
  if (index === 0) return [];
  if (isBranch > 1) return [`r${index - 1}`];
  return [...new Set(parents.map((parent) => `r${parent % index}`))];
}

function deedOf(
  deed: string,
  pick: number,
  index: number,
  before: readonly Fact[],
): { readonly adds: readonly Fact[]; readonly drops: readonly Fact[] } {
  const of = (kind: Fact["kind"]): Fact | undefined => {
    const all = before.filter((each) => each.kind === kind);
    return all[pick % Math.max(1, all.length)];
  };
  const home = of("table");
  const column = of("column");
  switch (deed) {
    case "table":
      return { adds: table(`t${index}`, "a", "b"), drops: [] };
    case "column":
      return { adds: home ? [fact("column", home.object, `c${index}`, "text")] : [], drops: [] };
    case "index":
      return {
        adds: home
          ? [fact("index", home.object, `i${index}`, `CREATE INDEX i${index} ON ${home.object}`)]
          : [],
        drops: [],
      };
    case "drop":
      return { adds: [], drops: column ? [column] : [] };
    case "retype":
      return column
        ? { drops: [column], adds: [{ ...column, definition: `varchar(${index})` }] }
        : { adds: [], drops: [] };
    case "comment":
      return { adds: home ? [fact("comment", home.object, `${index}`, "said")] : [], drops: [] };
    default:
      return { adds: [], drops: [] };
  }
}
