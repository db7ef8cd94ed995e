import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { quoteIdentifier as name, quoteLiteral as text } from "../../src/core/quote.ts";
import { startServer, type TestServer } from "../support/postgres.ts";

/** Schemas that can be the home; one has the name of a table, one needs quotes. */
export const homeNames: readonly string[] = ["app", "tenant_1", "Shop Data", "t1"];

/** The application's role, where neither its name nor its settings lead to the home. */
export const plainRole = "shopkeeper";

/** A role whose search_path leads to that home. */
export function roleFor(home: string, isAlone: boolean): string {
  return `clerk_${homeNames.indexOf(home)}${isAlone ? "" : "_and_public"}`;
}

export function pathOf(home: string, isAlone: boolean): string {
  return isAlone ? name(home) : `${name(home)}, public`;
}

/** A server with the roles that every case may use; they own nothing but in the cases' databases. */
export async function startGround(): Promise<TestServer> {
  const server = await startServer({
    settings: ["autovacuum = off", "max_connections = 100", "jit = off"],
  });
  const make = (role: string): string => `CREATE ROLE ${name(role)} LOGIN`;
  await server.sql(
    server.url,
    [
      make(plainRole),
      ...homeNames.map(make),
      ...homeNames.flatMap((home) =>
        [true, false].flatMap((isAlone) => [
          make(roleFor(home, isAlone)),
          `ALTER ROLE ${roleFor(home, isAlone)} SET search_path = ${pathOf(home, isAlone)}`,
        ]),
      ),
    ].join(";\n"),
  );
  return server;
}

/** One case's database, and a superuser's session in it. */
export type CaseDatabase = {
  readonly name: string;
  readonly run: (sql: string) => Promise<readonly Record<string, unknown>[]>;
  readonly drop: () => Promise<void>;
};

export async function createCase(server: TestServer, owner: string): Promise<CaseDatabase> {
  const database = `case_${randomBytes(6).toString("hex")}`;
  await server.sql(
    server.url,
    `CREATE DATABASE ${database} TEMPLATE template0 OWNER ${name(owner)}`,
  );
  const url = new URL(server.url);
  url.pathname = database;
  const client = postgres(url.href, { max: 1, onnotice: () => {}, fetch_types: false });
  return {
    name: database,
    run: async (sql) => {
      const result: unknown = await client.unsafe(sql).simple();
      const last: unknown =
        Array.isArray(result) && !("command" in result) ? result.at(-1) : result;
      return [...(last as Record<string, unknown>[])];
    },
    drop: async () => {
      await client.end({ timeout: 1 });
      await server.sql(server.url, `DROP DATABASE ${database} WITH (FORCE)`);
    },
  };
}

export { name as quoted, text as literal };
