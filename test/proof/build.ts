import { homeNames, pathOf, plainRole, quoted, roleFor } from "./ground.ts";
import { type ProofHistory, type ProofRevision, tablesIn, togetherText } from "./history.ts";
import {
  neighbourOf,
  neighbourSchemas,
  neighbourTables,
  otherVersionTables,
} from "./neighbours.ts";
import { respell } from "./respell.sql.ts";
import { proofTools, type Table } from "./tool.ts";
import { isWithoutRows, plainIndexes, type World } from "./world.ts";

/** How a world's database is made, and how the program is called on it. */
export type Ground = {
  readonly role: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `?options=…`, or nothing. */
  readonly query: string;
  readonly setup: (database: string) => string;
  readonly versionTable: Table;
  readonly neighbours: { readonly schemas: readonly string[]; readonly tables: readonly string[] };
};

/** What no history holds, and the program must live with. */
export const extraIndex = "extra_idx";

export function groundOf(world: World, history: ProofHistory): Ground {
  const { home, homeName, isAlone, table, ledger, neighbour, pick } = world;
  const tool = proofTools[history.tool];
  const role = roleOf(world);
  // Nothing of ours is there, and CREATE would go there.
  const first = home === "second-in-path" ? homeNames[0]! : homeName;
  const isOwn = ledger === "own-table" || table === "flag" || table === "taken";
  const isNamed = table === "flag" || (table === "taken" && pick % 2 === 0);
  const versionTable = { schema: homeName, name: isOwn ? tool.ownTable : tool.versionTable };
  const path = pathOf(first, isAlone && home !== "second-in-path");
  const inHome = neighbour === "other-history" || (neighbour === "other-tool" && pick % 2 === 0);
  const tables = [
    ...(inHome ? neighbourTables(world, homeName) : []),
    ...(table === "taken" ? [`${quoted(homeName)}.${tool.versionTable}`] : []),
  ];
  return {
    role,
    flags: [
      ...(home === "flag" || (home === "variable" && !isLeftUnsaid(world))
        ? ["--schema", homeName]
        : []),
      ...(isNamed ? ["--version-table", tool.ownTable] : []),
    ],
    // What the tool's own program goes by.
    env: { DB_SCHEMA: homeName, VERSION_TABLE: versionTable.name },
    query:
      home === "url"
        ? `?options=${encodeURIComponent(`-c search_path=${path.replaceAll(" ", "\\ ")}`)}`
        : "",
    setup: (database) =>
      [
        ...(first === "public"
          ? []
          : [`CREATE SCHEMA ${quoted(first)} AUTHORIZATION ${quoted(role)}`]),
        ...(home === "role-in-database" || home === "second-in-path"
          ? [`ALTER ROLE ${role} IN DATABASE ${database} SET search_path = ${path}`]
          : []),
        // As an application in production would have it.
        `SET ROLE ${quoted(role)}`,
        `SET search_path = ${quoted(homeName)}`,
        ...stateOf(world, history),
        ...(hasTable(world) ? [tool.create(versionTable)] : []),
        ...tool.record(versionTable, history, rowsAt(world)),
        ...(world.state === "unknown-row" ? tool.recordUnknown(versionTable) : []),
        ...otherVersionTables(world, history),
        ...neighbourOf(world, history, versionTable.name),
        "RESET search_path",
        "RESET ROLE",
      ]
        .map((statement) => statement.trim().replace(/;?$/, ";\n"))
        .join(""),
    versionTable,
    neighbours: { schemas: neighbourSchemas(world), tables },
  };
}

/** The program takes its schema from a variable, and nobody tells which one it is. */
export function isLeftUnsaid({ home, pick }: World): boolean {
  return home === "variable" && pick % 5 === 0;
}

/** What the rows say: so many revisions. */
function rowsAt(world: World): number {
  const { state, at, other } = world;
  if (isWithoutRows(state)) return 0;
  return state === "rows-later" || state === "rows-earlier" || state === "made-by-hand"
    ? other
    : at;
}

/** Revisions whose rows of data were really written, as far as the schema has come. */
export function dataAt({ state, at, other }: World): number {
  if (state === "schema-only") return 0;
  return state === "made-by-hand" ? other : at;
}

function hasTable({ state }: World): boolean {
  return state === "unversioned-empty" || !isWithoutRows(state);
}

function stateOf(world: World, history: ProofHistory): readonly string[] {
  const { state, at, isUsed, pick } = world;
  const { revisions } = history;
  const done = revisions.slice(0, at);
  const made = done.map((revision, index) =>
    index < dataAt(world) ? togetherText(revision) : schemaText(revision),
  );
  const tables = tablesIn(done);
  const used = isUsed
    ? tables.map(
        (table) =>
          `INSERT INTO ${table} (id, name, price) VALUES (1000, 'user 1', 5), (1001, 'user 2', 6)`,
      )
    : [];
  const table = tables[pick % Math.max(1, tables.length)];
  switch (state) {
    case "column-dropped":
      return [...made, ...used, dropSomething(done, pick)];
    case "index-dropped":
      return [...made, ...used, dropIndex(done, pick)];
    case "index-added":
      return [...made, ...used, `CREATE INDEX ${extraIndex} ON ${table} (price)`];
    case "unique-index-added":
      return [...made, ...used, `CREATE UNIQUE INDEX ${extraIndex} ON ${table} (name, price)`];
    case "half-done":
      return [...made, ...used, revisions[at]!.statements[0]!];
    case "rows-gone":
      return [...made, ...used, "DELETE FROM ran"];
    case "restored":
      return [
        ...made,
        ...used,
        "RESET ROLE",
        respell(world.homeName),
        `SET ROLE ${quoted(roleOf(world))}`,
        `SET search_path = ${quoted(world.homeName)}`,
      ];
    case "interrupted": {
      const [, of] = / ON (\S+) \(name\)/.exec(revisions[at]!.statements[0]!) ?? [];
      return [
        ...made,
        ...used,
        `INSERT INTO ${of} (id, name, price) VALUES (2000, 'same', 5), (2001, 'same', 5)`,
      ];
    }
    default:
      return [...made, ...used];
  }
}

function roleOf({ home, homeName, isAlone }: World): string {
  return home === "user" ? homeName : home === "role" ? roleFor(homeName, isAlone) : plainRole;
}

function schemaText({ statements }: ProofRevision): string {
  return statements
    .filter((statement) => !/^(?:INSERT|UPDATE) /.test(statement))
    .map((statement) => `${statement.replace(" CONCURRENTLY", "")};\n`)
    .join("");
}

/** A plain index that some revision made, where one has: rather one that wrote rows as well. */
function dropIndex(revisions: readonly ProofRevision[], pick: number): string {
  const all = plainIndexes(revisions);
  const beside = plainIndexes(revisions.filter(({ writes }) => writes));
  const names = all.filter((name) => beside.includes(name));
  const some = names.length > 0 ? names : all;
  return some.length > 0 ? `DROP INDEX ${some[pick % some.length]}` : "SELECT 1";
}

/** A column that some revision added and none took away, else a primary key. */
function dropSomething(revisions: readonly ProofRevision[], pick: number): string {
  const text = revisions.flatMap(({ statements }) => statements).join("\n");
  const added = [...text.matchAll(/ALTER TABLE (\S+) ADD COLUMN (?:IF NOT EXISTS )?(\S+)/g)]
    .map(([, table, column]) => `ALTER TABLE ${table} DROP COLUMN ${column}`)
    .filter((drop) => !text.includes(drop));
  const [table = ""] = tablesIn(revisions);
  const key = `${table.split(".").at(-1)}_pkey`;
  return added.length > 0
    ? added[pick % added.length]!
    : `ALTER TABLE ${table} DROP CONSTRAINT ${key}`;
}
