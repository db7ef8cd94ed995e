import { onTestFinished } from "vitest";
import { openScratch, type Prelude, type Scratch } from "../../src/ledger/scratch.ts";
import type { Connection } from "../../src/settings/connection.ts";
import type { TestServer } from "../support/postgres.ts";

type Options = {
  /** null: a server of our own. */
  readonly on: Connection | null;
  readonly preludes?: readonly Prelude[];
  readonly signal?: AbortSignal;
};

/** Until the test ends. */
export async function openTestScratch(options: Options): Promise<Scratch> {
  const scratch = await openForTests(options);
  onTestFinished(scratch.close);
  return scratch;
}

/** For hooks, which close it themselves. */
export async function openForTests(options: Options): Promise<Scratch> {
  return await openScratch({
    url: options.on,
    searchFrom: [process.cwd()],
    image: null,
    env: process.env,
    preludes: options.preludes ?? [],
    signal: options.signal ?? new AbortController().signal,
    log: () => {},
  });
}

export function connectionTo(server: TestServer, as: string | null = null): Connection {
  const { username, password } = new URL(server.url);
  return {
    source: "the test",
    hosts: [
      {
        host: server.host,
        address: null,
        port: server.port,
        password: password === "" ? null : decodeURIComponent(password),
      },
    ],
    user: as ?? decodeURIComponent(username),
    database: "postgres",
    tls: { mode: "disable", rootCert: null, client: null },
    applicationName: null,
    options: null,
    targetSession: "any",
    schema: null,
  };
}
