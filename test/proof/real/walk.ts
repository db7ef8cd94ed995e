import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { TestServer } from "../../support/postgres.ts";
import { literal, quoted } from "../ground.ts";

/** A database that is led through a history, and copies of it. */
export type Walk = {
  readonly url: string;
  readonly schema: string | null;
  readonly rows: (column: string, table: string) => Promise<readonly string[]>;
  /** Lends it without the rows of a table, as it is if there is nothing to fill, else a copy. */
  readonly withoutRows: <Value>(
    table: string,
    use: (url: string) => Promise<Value>,
  ) => Promise<Value>;
  /** Lends a copy as it is now, filled. */
  readonly withCopy: <Value>(use: (copy: Copy) => Promise<Value>) => Promise<Value>;
  readonly drop: () => Promise<void>;
};

type Copy = {
  readonly url: string;
  readonly run: (sql: string) => Promise<void>;
};

/**
 * @param schema the first one of its address's search_path; null: the address says nothing, which leads to `public`
 * @param fill SQL for every copy
 */
export async function beginWalk(
  server: TestServer,
  schema: string | null,
  fill: string | null,
): Promise<Walk> {
  const name = `history_${randomBytes(6).toString("hex")}`;
  const url = addressOf(name);
  let copies = 0;
  await server.sql(server.url, `CREATE DATABASE ${name} TEMPLATE template0`);
  if (schema !== null) await server.sql(url, `CREATE SCHEMA ${quoted(schema)}`);
  return {
    url,
    schema,
    rows: async (column, table) => {
      const home = literal(schema ?? "public");
      const [found] = await server.sql(
        url,
        `SELECT 1 FROM pg_tables WHERE schemaname = ${home} AND tablename = ${literal(table)}`,
      );
      if (found === undefined) return [];
      const rows = await server.sql(url, `SELECT ${column} AS id FROM ${quoted(table)} ORDER BY 1`);
      return rows.map(({ id }) => String(id));
    },
    withoutRows: async (table, use) => {
      if (fill !== null)
        return await withCopy(async (copy) => {
          await copy.run(`DELETE FROM ${quoted(table)}`);
          return await use(copy.url);
        });
      const [kept] = await server.sql(
        url,
        `WITH gone AS (DELETE FROM ${quoted(table)} RETURNING *) SELECT jsonb_agg(gone)::text AS rows FROM gone`,
      );
      try {
        return await use(url);
      } finally {
        await server.sql(
          url,
          `INSERT INTO ${quoted(table)} SELECT * FROM jsonb_populate_recordset(NULL::${quoted(table)}, ${literal(String(kept?.["rows"]))})`,
        );
      }
    },
    withCopy,
    drop: async () => void (await server.sql(server.url, `DROP DATABASE ${name} WITH (FORCE)`)),
  };

  async function withCopy<Value>(use: (copy: Copy) => Promise<Value>): Promise<Value> {
    copies += 1;
    const copy = `${name}_${copies}`;
    await server.sql(server.url, `CREATE DATABASE ${copy} TEMPLATE ${name}`);
    const copyUrl = addressOf(copy);
    try {
      const run = async (sql: string): Promise<void> => void (await server.sql(copyUrl, sql));
      if (fill !== null) await run(fill);
      return await use({ url: copyUrl, run });
    } finally {
      await server.sql(server.url, `DROP DATABASE ${copy} WITH (FORCE)`);
    }
  }

  function addressOf(database: string): string {
    const address = new URL(server.url);
    address.pathname = database;
    if (schema !== null)
      address.searchParams.set("options", `-csearch_path=${quoted(schema)},public`);
    return address.href;
  }
}

/** Everything in a database but its version rows, as PostgreSQL's own program reads it. */
export async function contentsOf(url: string, versionTable: string): Promise<string> {
  const leftOut = [versionTable, "preflight_*"].map((name) => `--exclude-table=*.${name}`);
  const { stdout } = await promisify(execFile)("pg_dump", [...leftOut, `--dbname=${url}`], {
    maxBuffer: 2 ** 28,
  });
  // An UPDATE moves rows; newer versions write a random word besides.
  return stdout
    .split("\n")
    .filter((line) => !/^\\(?:un)?restrict /.test(line))
    .sort()
    .join("\n");
}
