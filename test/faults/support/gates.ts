import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import postgres from "postgres";
import { lockKey } from "../../../src/database/lock.ts";
import { eventually } from "../../support/databases.ts";
import type { TestServer } from "../../support/postgres.ts";
import type { Started } from "../../support/process.ts";
import { gates, isAlembic, type Kind, versionTableOf } from "./kinds.ts";

/** Where a run is brought to a stop, in the order in which it comes by. */
export type Point =
  | "locked"
  | "relooking"
  | "stamping"
  | "asked"
  | "spawned"
  | "working"
  | "building"
  | "recording"
  | "between"
  | "exiting"
  | "looking";

/** Holds a run at a point; nothing of the program knows of it. */
export type Gatekeeper = {
  /** Closes the gate, starts the run and resolves when it stands there. */
  readonly stopAt: (point: Point, start: () => Started) => Promise<Started>;
  /** Opens every gate. */
  readonly open: () => Promise<void>;
  /** pid of the server process that waits at the gate; null: none. */
  readonly waiting: () => Promise<number | null>;
  /** pid of the server process that holds the lock of the program. */
  readonly holder: () => Promise<number | null>;
};

export const gatekeeperName = "gatekeeper";
/** As somebody's maintenance would. */
const changing = "BEGIN; LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE";

export function makeGatekeeper(
  server: TestServer,
  url: string,
  kind: Kind,
  directory: string,
): Gatekeeper {
  const options = { max: 1, onnotice: () => {}, fetch_types: false } as const;
  const sql = postgres(url, { ...options, connection: { application_name: gatekeeperName } });
  const { name } = versionTableOf(kind);
  const key = lockKey({ schema: "public", name });

  return { stopAt, open, waiting, holder };

  async function stopAt(point: Point, start: () => Started): Promise<Started> {
    switch (point) {
      case "locked": {
        await sql.unsafe(changing);
        const run = start();
        await run.says("database.busy");
        return run;
      }
      case "relooking":
        return await afterFence("ACCESS EXCLUSIVE", start);
      case "stamping":
      case "recording":
        return await afterFence("SHARE", start);
      case "building":
        return await behind(() => lockTable("orders", "ROW EXCLUSIVE"), start);
      case "working":
      case "between":
        return await behind(
          async () => void (await sql`SELECT pg_advisory_lock(${gates[point]})`),
          start,
        );
      case "asked":
      case "spawned":
      case "exiting": {
        writeFileSync(path.join(directory, point), "");
        const run = start();
        const reached = path.join(directory, `${point}.reached`);
        await eventually(async () => existsSync(reached), `the child is ${point}`, 60_000);
        return run;
      }
      case "looking": {
        // The look before the work has passed by then; no migration touches the view.
        const run = await stopAt("between", start);
        await lockTable("seen", "ACCESS EXCLUSIVE");
        await sql`SELECT pg_advisory_unlock(${gates.between})`;
        await eventually(
          async () => (await waitingFor("relation")) !== null,
          "the last look waits",
          60_000,
        );
        return run;
      }
    }
  }

  /** Under its lock the program waits for whoever changes a table then; whoever locks one later is met by its work. */
  async function afterFence(mode: string, start: () => Started): Promise<Started> {
    const decoy = postgres(url, { ...options, connection: { application_name: gatekeeperName } });
    try {
      await decoy.unsafe(changing);
      const run = start();
      await run.says("database.busy");
      await lockTable(name, mode);
      await decoy.end({ timeout: 0 });
      return await behind(
        async () => {},
        () => run,
      );
    } finally {
      await decoy.end({ timeout: 0 });
    }
  }

  async function behind(close: () => Promise<void>, start: () => Started): Promise<Started> {
    await close();
    const run = start();
    await Promise.race([
      eventually(async () => (await waiting()) !== null, "it waits at the gate", 60_000),
      run.ended.then(({ stderr }) => {
        throw new Error(`ended before the gate:\n${stderr}`);
      }),
    ]);
    return run;
  }

  async function lockTable(table: string, mode: string): Promise<void> {
    await sql.unsafe(`BEGIN; LOCK TABLE ${table} IN ${mode} MODE`);
  }

  async function open(): Promise<void> {
    for (const point of ["asked", "spawned", "exiting"])
      rmSync(path.join(directory, point), { force: true });
    await sql.end({ timeout: 0 }).catch(() => {});
    await eventually(
      async () => (await sessions(`application_name = '${gatekeeperName}'`)).length === 0,
      "the gatekeeper is gone",
    ).catch(() => {});
  }

  async function waiting(): Promise<number | null> {
    return await waitingFor("%");
  }

  /** CREATE INDEX CONCURRENTLY waits for transactions. */
  async function waitingFor(what: string): Promise<number | null> {
    const [row] = await server.sql(
      url,
      `SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
       WHERE NOT l.granted AND l.locktype LIKE '${what}' AND a.datname = current_database()
         AND a.application_name <> '${gatekeeperName}'
         AND '${gatekeeperName}' IN (SELECT b.application_name FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(l.pid)))`,
    );
    return row === undefined ? null : Number(row["pid"]);
  }

  async function holder(): Promise<number | null> {
    const unsigned = BigInt.asUintN(64, key);
    const [row] = await server.sql(
      url,
      `SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
       WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.application_name <> '${gatekeeperName}'
         AND l.classid = ${unsigned >> 32n}::oid AND l.objid = ${unsigned & 0xffff_ffffn}::oid
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    return row === undefined ? null : Number(row["pid"]);
  }

  async function sessions(where: string): Promise<readonly unknown[]> {
    return await server.sql(
      url,
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${where}`,
    );
  }
}

export function isReachedBy(point: Point, kind: Kind): boolean {
  switch (point) {
    case "stamping":
      return kind === "stamp";
    case "asked":
    case "spawned":
    case "exiting":
      return isAlembic(kind);
    case "building":
      return kind === "index" || kind === "outside";
    case "working":
      return kind !== "index";
    case "recording":
      // Of others it is the stamp's or the notes' lock that comes first.
      return kind !== "stamp";
    case "locked":
    case "relooking":
    case "between":
    case "looking":
      return true;
  }
}
