import fc from "fast-check";
import { fixedSchema } from "./alembic-tool.ts";
import { homeNames } from "./ground.ts";
import type { ProofHistory, ProofRevision } from "./history.ts";
import type { LedgerKind } from "./image.ts";

/** How the program comes to the schema that the history lives in. */
export const homeKinds = [
  "public",
  "role",
  "role-in-database",
  "url",
  "user",
  "flag",
  "program",
  "variable",
  "second-in-path",
] as const;

/** What else is in the database. */
export const neighbourKinds = [
  "none",
  "tenant",
  "tenant-behind",
  "unclaimed-copy",
  "same-names",
  "other-tool",
  "other-history",
] as const;

/** Where a neighbour's copy is, and whether our role may read it. */
export const placeKinds = ["aside", "in-public"] as const;
export const accessKinds = ["readable", "unreadable"] as const;

export const stateKinds = [
  "fresh",
  "behind",
  "head",
  "unversioned-empty",
  "unversioned-dropped",
  "column-dropped",
  "index-dropped",
  "index-added",
  "unique-index-added",
  "schema-only",
  "half-done",
  "rows-gone",
  "rows-later",
  "rows-earlier",
  "made-by-hand",
  "unknown-row",
  "restored",
  "interrupted",
] as const;

export const tableKinds = ["usual", "flag", "leftover", "taken"] as const;

export const ledgerKinds = ["verified", "own-table", "stale", "absent", "first-release"] as const;

export type World = {
  readonly home: (typeof homeKinds)[number];
  readonly homeName: string;
  /** Nothing but the home is on the search_path. */
  readonly isAlone: boolean;
  readonly neighbour: (typeof neighbourKinds)[number];
  readonly place: (typeof placeKinds)[number];
  readonly access: (typeof accessKinds)[number];
  readonly state: (typeof stateKinds)[number];
  /** So many revisions have run. */
  readonly at: number;
  /** So many revisions the rows, or the other part, are at, where that is not the same. */
  readonly other: number;
  readonly table: (typeof tableKinds)[number];
  readonly ledger: LedgerKind;
  readonly pick: number;
  /** People have put rows into the tables. */
  readonly isUsed: boolean;
};

const weighted = <Kind extends string>(
  kinds: readonly Kind[],
  most: Kind,
  weight: number,
): fc.Arbitrary<Kind> =>
  fc.oneof(
    { weight, arbitrary: fc.constant(most) },
    { weight: 1, arbitrary: fc.constantFrom(...kinds) },
  );

/** Combinations that contradict each other are brought to the nearest that does not. */
export function anyWorld(history: ProofHistory): fc.Arbitrary<World> {
  return fc
    .record({
      home: homeOf(history),
      homeName: fc.constantFrom(...homeNames),
      isAlone: fc.boolean(),
      neighbour: fc.constantFrom(...neighbourKinds),
      place: fc.constantFrom(...placeKinds),
      access: fc.constantFrom("readable", "readable", "unreadable"),
      // What is well comes more often: a false alarm counts as much as a wrong stamp.
      // What few histories can come to is made where they can.
      state: fc.constantFrom(
        ...stateKinds,
        ...(["fresh", "behind", "behind", "head", "restored"] as const),
        ...(outsiders(history).length > 0 ? (["interrupted", "interrupted"] as const) : []),
        ...(halves(history).length > 0 ? (["half-done", "half-done"] as const) : []),
      ),
      at: fc.nat({ max: 99 }),
      other: fc.nat({ max: 99 }),
      table: weighted(tableKinds, "usual", 1),
      ledger: weighted(ledgerKinds, "verified", 1),
      pick: fc.nat({ max: 999 }),
      isUsed: fc.boolean(),
    })
    .map((drawn) => settle(drawn, history));
}

function homeOf({ program }: ProofHistory): fc.Arbitrary<World["home"]> {
  switch (program) {
    case "path":
      return fc.constantFrom(
        "public",
        "public",
        "role",
        "role-in-database",
        "url",
        "user",
        "flag",
        "second-in-path",
      );
    case "fixed":
      return fc.constant("program");
    case "variable":
      return fc.constant("variable");
  }
}

function settle(drawn: World, history: ProofHistory): World {
  const { revisions, naming } = history;
  const count = revisions.length;
  // What is made for the first time is made in the first schema of the path.
  const home =
    drawn.home === "second-in-path" && drawn.state === "fresh" ? "role-in-database" : drawn.home;
  const homeName =
    home === "public" || home === "second-in-path"
      ? "public"
      : home === "program"
        ? fixedSchema
        : drawn.homeName;
  const hasPath = home === "role" || home === "role-in-database" || home === "url";
  const isAlone = !hasPath || drawn.isAlone;
  const ledger =
    drawn.ledger === "own-table" && drawn.table === "leftover" ? "verified" : drawn.ledger;
  // A second copy of a history that names a schema would be made in that very schema.
  const canRepeat = naming === "bare";
  // Its version table would be the very one that is ours.
  const isOurs = drawn.neighbour === "other-history" && history.tool === "alembic";
  const neighbour =
    isCopy(drawn) && !canRepeat ? "same-names" : isOurs ? "other-tool" : drawn.neighbour;
  const table = drawn.table === "leftover" && (!canRepeat || isCopy(drawn)) ? "usual" : drawn.table;
  const state = stateFor(drawn, history);
  // Whose path ends in public would find a neighbour's tables there, where its own are missing.
  const isShadowed =
    homeName === "public" || ((home === "user" || (hasPath && !isAlone)) && isWithoutRows(state));
  const place = isShadowed ? "aside" : drawn.place;
  const world = { ...drawn, home, homeName, isAlone, ledger, neighbour, place, table };
  const between = (least: number, most: number, of: number): number =>
    least + (of % Math.max(1, most - least + 1));
  switch (state) {
    case "fresh":
      return { ...world, state, at: 0, other: 0 };
    case "head":
      return { ...world, state, at: count, other: count };
    case "behind":
    case "interrupted":
    case "half-done": {
      const at =
        state === "behind"
          ? between(1, count - 1, drawn.at)
          : pickFrom(state === "half-done" ? halves(history) : outsiders(history), drawn.at);
      return { ...world, state, at, other: at };
    }
    case "rows-later": {
      const at = between(0, count - 1, drawn.at);
      return { ...world, state, at, other: between(at + 1, count, drawn.other) };
    }
    case "rows-earlier":
    case "made-by-hand": {
      const at = between(2, count, drawn.at);
      return { ...world, state, at, other: between(1, at - 1, drawn.other) };
    }
    default: {
      const at = between(1, count, drawn.at);
      return { ...world, state, at, other: at };
    }
  }
}

/** The neighbour has this history's tables. */
export function isCopy({ neighbour }: Pick<World, "neighbour">): boolean {
  return ["tenant", "tenant-behind", "unclaimed-copy"].includes(neighbour);
}

/** No version row says anything. */
export function isWithoutRows(state: World["state"]): boolean {
  return ["fresh", "unversioned-empty", "unversioned-dropped", "schema-only"].includes(state);
}

/** Where a history has nothing of the kind, its database is simply behind. */
function stateFor({ state }: World, history: ProofHistory): World["state"] {
  if (state === "half-done" && halves(history).length === 0) return "behind";
  if (state === "interrupted" && outsiders(history).length === 0) return "behind";
  if (state === "index-dropped" && plainIndexes(history.revisions).length === 0) return "head";
  if (state === "schema-only" && !history.revisions.some(({ writes }) => writes))
    return "unversioned-dropped";
  return state;
}

function pickFrom(all: readonly number[], of: number): number {
  return all[of % all.length]!;
}

/** How many revisions have run before one that can stop between two changes of the schema. */
function halves({ revisions }: ProofHistory): readonly number[] {
  return revisions.flatMap(({ deeds }, index) =>
    index > 0 && (deeds[0] === "two" || deeds[0] === "enum") ? [index] : [],
  );
}

/** How many have run before one that builds a table's first unique index concurrently, which duplicates stop. */
function outsiders({ tool, revisions }: ProofHistory): readonly number[] {
  if (tool === "alembic") return [];
  const places = revisions.map(({ statements }) =>
    statements[0]?.startsWith("CREATE UNIQUE INDEX ") === true
      ? (/ ON (\S+) \(/.exec(statements[0])?.[1] ?? null)
      : null,
  );
  return places.flatMap((table, index) =>
    table !== null && places.indexOf(table) === index ? [index] : [],
  );
}

/** Names of those that these revisions make and do not drop, with the schema that is written before them in DROP. */
export function plainIndexes(revisions: readonly ProofRevision[]): readonly string[] {
  const text = revisions.flatMap(({ statements }) => statements).join("\n");
  const made = [
    ...text.matchAll(/CREATE INDEX (?:CONCURRENTLY |IF NOT EXISTS )*(\S+) ON (\S+) \((\w+)\)/g),
  ];
  return made
    .filter(([, , , column]) => !new RegExp(`DROP COLUMN ${column}\\b`).test(text))
    .map(([, name, table = ""]) =>
      table.includes(".") ? `${table.split(".")[0]}.${name}` : String(name),
    )
    .filter((name) => !text.includes(`DROP INDEX ${name}`));
}

export function describeWorld(world: World, history: ProofHistory): string {
  const { home, homeName, isAlone, neighbour, state, at, other, table, ledger, isUsed } = world;
  const besides = `${neighbour}${world.place === "in-public" ? " in public" : ""}${world.access === "readable" ? "" : ", unreadable"}`;
  const place = home === "public" ? "" : ` ${homeName}${isAlone ? "" : ", public"}`;
  const counts = `${at}${other === at ? "" : `/${other}`} of ${history.revisions.length}`;
  return `home ${home}${place}; neighbour ${besides}; state ${state} ${counts}${isUsed ? ", used" : ""}; version table ${table}; ledger ${ledger}; history ${history.tool} ${history.naming}, ${history.revisions.map(({ deeds }) => deeds.join("+")).join(" ")}`;
}
