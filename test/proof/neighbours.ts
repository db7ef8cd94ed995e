import { quoted } from "./ground.ts";
import { type ProofHistory, tablesIn, togetherText } from "./history.ts";
import { proofTools } from "./tool.ts";
import type { World } from "./world.ts";

/** Version tables besides the one that counts. */
export function otherVersionTables(
  { table, homeName, pick }: World,
  history: ProofHistory,
): readonly string[] {
  const tool = proofTools[history.tool];
  const old = { schema: "old", name: tool.versionTable };
  const theirs = { schema: homeName, name: tool.versionTable };
  switch (table) {
    case "usual":
    case "flag":
      return [];
    case "leftover":
      return [
        "CREATE SCHEMA old",
        tool.create(old),
        ...tool.record(old, history, 1 + (pick % history.revisions.length)),
      ];
    case "taken":
      return [
        tool.create(theirs),
        tool.recordForeign(theirs, pick),
        `CREATE TABLE ${quoted(homeName)}.invoices (number int PRIMARY KEY)`,
      ];
  }
}

/** Whole schemas in which nothing may change. */
export function neighbourSchemas({ neighbour, place, table, pick }: World): readonly string[] {
  const left = table === "leftover" ? ["old"] : [];
  switch (neighbour) {
    case "none":
    case "other-history":
      return left;
    case "other-tool":
      return pick % 2 === 0 ? left : [...left, "legacy"];
    case "same-names":
      return [...left, "legacy"];
    case "tenant":
    case "tenant-behind":
    case "unclaimed-copy":
      return [...left, schemaOf(place)];
  }
}

function schemaOf(place: World["place"]): string {
  return place === "in-public" ? "public" : "neighbour";
}

/** Tables in the home that are not ours. */
export function neighbourTables({ neighbour }: World, home: string): readonly string[] {
  const names = neighbour === "other-tool" ? ["schema_migrations"] : ["alembic_version", "mlruns"];
  return names.map((table) => `${quoted(home)}.${table}`);
}

export function neighbourOf(
  { neighbour, place, access, homeName, pick }: World,
  history: ProofHistory,
  versionTable: string,
): readonly string[] {
  const { revisions } = history;
  const tool = proofTools[history.tool];
  const theirs = { schema: schemaOf(place), name: versionTable };
  const copyOf = (count: number): readonly string[] => [
    ...(access === "unreadable" ? ["RESET ROLE"] : []),
    ...(place === "in-public" ? [] : [`CREATE SCHEMA ${schemaOf(place)}`]),
    `SET search_path = ${schemaOf(place)}`,
    ...revisions.slice(0, count).map(togetherText),
  ];
  switch (neighbour) {
    case "none":
      return [];
    case "tenant":
    case "tenant-behind": {
      const count = neighbour === "tenant" ? revisions.length : 1 + (pick % (revisions.length - 1));
      return [...copyOf(count), tool.create(theirs), ...tool.record(theirs, history, count)];
    }
    case "unclaimed-copy":
      return copyOf(revisions.length);
    case "same-names":
      return [
        "CREATE SCHEMA legacy",
        ...["ran", ...tablesIn(revisions).map((table) => table.split(".").at(-1))].map(
          (table) => `CREATE TABLE legacy.${table} (customer int, remark text)`,
        ),
      ];
    case "other-tool": {
      const schema = pick % 2 === 0 ? homeName : "legacy";
      return [
        ...(schema === "legacy" ? ["CREATE SCHEMA legacy"] : []),
        `CREATE TABLE ${quoted(schema)}.schema_migrations (version text PRIMARY KEY)`,
        `INSERT INTO ${quoted(schema)}.schema_migrations VALUES ('20240101000000'), ('20240202000000')`,
      ];
    }
    case "other-history":
      return [
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        `INSERT INTO alembic_version VALUES ('zzzz9999')`,
        "CREATE TABLE mlruns (id int PRIMARY KEY)",
      ];
  }
}
