import { spawn, type ChildProcess } from "node:child_process";
import {
  chmod,
  chown,
  cp,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import type { TestServer } from "../support/postgres.ts";

/** A physical copy of a server, which can be started and stopped in any way. */
export type Copy = {
  readonly directory: string;
  readonly start: (words: readonly string[]) => ChildProcess;
  readonly stop: () => Promise<void>;
  readonly remove: () => Promise<void>;
};

/** What pg_basebackup does. `standby`: it follows the original. */
export async function copyServer(
  original: TestServer,
  { standby, settings = [] }: { readonly standby: boolean; readonly settings?: readonly string[] },
): Promise<Copy> {
  const source = path.join(original.socketDirectory!, "data");
  const { uid, gid } = await stat(source);
  const pid = (await readFile(path.join(source, "postmaster.pid"), "utf8")).split("\n")[0]!;
  const program = await readlink(`/proc/${pid}/exe`);
  const directory = await mkdtemp(path.join(tmpdir(), "preflight-copy-"));
  const data = path.join(directory, "data");
  await chown(directory, uid, gid);

  const client = postgres(original.url, { max: 1, onnotice: () => {}, fetch_types: false });
  const [version] = await client.unsafe("SELECT current_setting('server_version_num')::int AS n");
  const isOld = Number(version?.["n"]) < 150_000;
  await client.unsafe(
    isOld ? "SELECT pg_start_backup('copy', true, false)" : "SELECT pg_backup_start('copy', true)",
  );
  await cp(source, data, { recursive: true, filter: (name) => !name.endsWith("postmaster.pid") });
  const [label] = await client.unsafe(
    isOld
      ? "SELECT labelfile FROM pg_stop_backup(false, false)"
      : "SELECT labelfile FROM pg_backup_stop(false)",
  );
  await client.end({ timeout: 1 });
  // Of the WAL that the end of the copy needs.
  await cp(path.join(source, "pg_wal"), path.join(data, "pg_wal"), { recursive: true });
  await writeFile(path.join(data, "backup_label"), String(label?.["labelfile"]));
  await writeFile(
    path.join(data, "postgresql.auto.conf"),
    [
      ...settings,
      `primary_conninfo = 'host=${original.socketDirectory} port=${original.port} user=postgres'`,
      "",
    ].join("\n"),
  );
  if (standby) await writeFile(path.join(data, "standby.signal"), "");
  await give(data, uid, gid);
  await chmod(data, 0o700);

  let running: ChildProcess | null = null;
  const stop = async (): Promise<void> => {
    const child = running;
    running = null;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    await ended;
  };
  return {
    directory,
    start: (words) => {
      running = spawn(program, ["-D", data, "-k", directory, "-c", "fsync=off", ...words], {
        uid,
        gid,
        cwd: directory,
        stdio: "ignore",
      });
      const child = running;
      process.once("exit", () => child.kill("SIGQUIT"));
      return child;
    },
    stop,
    remove: async () => {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function give(directory: string, uid: number, gid: number): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true }))
    await chown(path.join(directory, entry), uid, gid);
  await chown(directory, uid, gid);
}
