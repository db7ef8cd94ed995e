import { PostgreSqlContainer } from "@testcontainers/postgresql";
import postgres from "postgres";
import { Network } from "testcontainers";
import { forgoReaper } from "../../support/image-server.ts";
import { ensureImages } from "./engine.ts";

/** A PostgreSQL of Testcontainers' and a network on which containers reach it as `db`. */
export type Database = {
  readonly network: string;
  /** A new empty database's URL, as containers on the network reach it. */
  readonly create: () => Promise<string>;
  /** Runs SQL from outside of the network, on the database of such a URL. */
  readonly sql: (url: string, text: string) => Promise<readonly Record<string, unknown>[]>;
  readonly stop: () => Promise<void>;
};

export async function startDatabase(): Promise<Database> {
  await ensureImages(["postgres:18"]);
  forgoReaper();
  const network = await new Network().start();
  const container = await new PostgreSqlContainer("postgres:18")
    .withNetwork(network)
    .withNetworkAliases("db")
    .start();
  let count = 0;
  const sql: Database["sql"] = async (url, text) => {
    const address = new URL(container.getConnectionUri());
    address.pathname = new URL(url).pathname;
    const client = postgres(address.href, { max: 1, onnotice: () => {}, fetch_types: false });
    try {
      return [...(await client.unsafe(text))];
    } finally {
      await client.end({ timeout: 1 });
    }
  };
  const { username, password } = {
    username: container.getUsername(),
    password: container.getPassword(),
  };
  const urlOf = (name: string): string => `postgres://${username}:${password}@db:5432/${name}`;
  return {
    network: network.getName(),
    create: async () => {
      count += 1;
      await sql(urlOf(container.getDatabase()), `CREATE DATABASE test_${count}`);
      return urlOf(`test_${count}`);
    },
    sql,
    stop: async () => {
      await container.stop();
      await network.stop();
    },
  };
}
