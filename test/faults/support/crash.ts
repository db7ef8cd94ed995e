import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import path from "node:path";
import { eventually } from "../../support/databases.ts";
import type { TestServer } from "../../support/postgres.ts";
import { childrenOf, kill, stateOf } from "./processes.ts";

/** How a server ends without a word. */
export const crashes = {
  /** All of it, at once. */
  postmaster: "the server is killed and started again",
  /** As `pg_ctl stop -m immediate`. */
  immediate: "the server is shut down at once and started again",
  /** One process: the server itself ends the others, and recovers. */
  process: "one server process is killed, and the server recovers",
} as const;
export type Crash = keyof typeof crashes;

export type CrashingServer = {
  readonly crash: (how: Crash) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** Crashes a test server and brings it back: the same data, address and port. */
export function crashing(server: TestServer): CrashingServer {
  const directory = server.socketDirectory ?? "";
  let restarted: ChildProcess | null = null;
  process.once("exit", () => restarted?.kill("SIGQUIT"));
  return { crash, stop };

  async function crash(how: Crash): Promise<void> {
    if (how === "process") return await crashProcess();
    const postmaster = postmasterOf();
    const argv = readFileSync(`/proc/${postmaster}/cmdline`, "utf8").split("\0").slice(0, -1);
    const cwd = readlinkSync(`/proc/${postmaster}/cwd`);
    const { uid, gid } = statSync(`/proc/${postmaster}`);
    const processes = [postmaster, ...childrenOf(postmaster)];
    kill(postmaster, how === "postmaster" ? "SIGKILL" : "SIGQUIT");
    // A new one refuses to start while processes of the old one have its shared memory.
    await eventually(
      async () => processes.every((pid) => stateOf(pid) === "Z"),
      "the old server is gone",
      30_000,
    );
    const [program = "", ...args] = argv;
    restarted = spawn(program, args, { cwd, uid, gid, stdio: "ignore" });
    await untilUp();
  }

  /** The server's own processes are other ones after it. */
  async function crashProcess(): Promise<void> {
    const before = await checkpointer();
    const [row] = await server.sql(
      server.url,
      "SELECT max(pid) AS pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
    kill(Number(row?.["pid"]), "SIGKILL");
    const hasRecovered = async (): Promise<boolean> =>
      await checkpointer().then(
        (pid) => pid !== before,
        () => false,
      );
    await eventually(hasRecovered, "the server has recovered", 60_000);
  }

  async function checkpointer(): Promise<unknown> {
    const [row] = await server.sql(
      server.url,
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
    );
    return row?.["pid"];
  }

  function postmasterOf(): number {
    return Number(readFileSync(path.join(directory, "data/postmaster.pid"), "utf8").split("\n")[0]);
  }

  async function untilUp(): Promise<void> {
    const isUp = async (): Promise<boolean> =>
      await server.sql(server.url, "SELECT 1").then(
        () => true,
        () => false,
      );
    await eventually(isUp, "the server is up again", 60_000);
  }

  async function stop(): Promise<void> {
    if (restarted !== null && restarted.exitCode === null && restarted.signalCode === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      restarted.once("exit", () => resolve());
      restarted.kill("SIGINT");
      await promise;
    }
    await server.stop();
  }
}
