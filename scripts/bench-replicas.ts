import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestServer } from "../test/support/postgres.ts";
import { median, must, print } from "./measure.ts";

const rounds = Number(process.env["BENCH_REPLICAS_ROUNDS"] ?? 3);
const replicas = 50;
const binary = path.join(path.dirname(import.meta.dirname), "dist/preflight");

/** Takes about a second, as a migration that changes something does. */
const migration = "CREATE TABLE done (id int PRIMARY KEY);\nSELECT pg_sleep(1);\n";

type Fleet = {
  /** Milliseconds from the release to the last one's end. */
  readonly all: number;
  /** From the end of the one that upgraded to the last one's end; NaN at head. */
  readonly afterWinner: number;
  /** Milliseconds of CPU, and peak memory in MB, per process. */
  readonly cpu: number;
  readonly memory: number;
};

/**
 * Fifty processes at once on one database: behind, at head, and one alone. With two cores most of it is the start of
 * fifty processes, so the ratios tell more than the times.
 * @returns the directory that holds the files
 */
export async function compareReplicas(server: TestServer, python: string): Promise<string> {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-bench-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (let index = 1; index <= 30; index++)
    writeFileSync(
      path.join(cwd, `migrations/${String(index).padStart(3, "0")}_table.sql`),
      `CREATE TABLE t${index} (id bigint PRIMARY KEY, name text NOT NULL UNIQUE);\n`,
    );
  writeFileSync(path.join(cwd, "migrations/031_slow.sql"), migration);
  must([binary, "bake"], cwd, { PATH: process.env["PATH"], HOME: tmpdir() });

  const contenders = [
    { name: "one, behind", count: 1, atHead: false },
    { name: `${replicas}, at head`, count: replicas, atHead: true },
    { name: `${replicas}, behind`, count: replicas, atHead: false },
  ];
  const seen = new Map<string, Fleet[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const { name, count, atHead } of contenders) {
      const url = await server.createDatabase();
      if (atHead) await runFleet(cwd, url, 1, python);
      seen.get(name)?.push(await runFleet(cwd, url, count, python));
    }
  const load = readFileSync("/proc/loadavg", "utf8").split(" ")[0];
  print(`\nReplicas at once (${rounds} rounds, medians; load ${load})`);
  for (const { name } of contenders) {
    const fleets = seen.get(name) ?? [];
    const of = (read: (fleet: Fleet) => number): number => median(fleets.map(read));
    const after = of((fleet) => fleet.afterWinner);
    const worst = Math.max(...fleets.map((fleet) => fleet.afterWinner));
    print(
      `  ${name.padEnd(16)} ${of((fleet) => fleet.all)
        .toFixed(0)
        .padStart(6)} ms  ${of((fleet) => fleet.cpu)
        .toFixed(0)
        .padStart(4)} ms CPU and ${of((fleet) => fleet.memory).toFixed(0)} MB each` +
        (Number.isNaN(after) || name.startsWith("one")
          ? ""
          : `  the last ${after.toFixed(0)} ms after the one that upgraded (worst ${worst.toFixed(0)})`),
    );
  }
  return cwd;
}

/** Python starts them, lets them begin together and waits: it tells when each ended, and what it took. */
const startTogether = `
import json, os, subprocess, sys, time
count, line, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
os.mkfifo(line)
def begin():
    read, write = os.pipe()
    one = subprocess.Popen(["/bin/sh", "-c", ': < "$0"; exec "$@"', line, *argv],
                           stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.DEVNULL)
    os.close(write)
    return one.pid, read
outputs = dict(begin() for _ in range(count))
time.sleep(0.5)
began = time.monotonic()
writer = os.open(line, os.O_RDWR)
ended = []
for _ in range(count):
    pid, status, usage = os.wait4(-1, 0)
    said = json.loads(os.read(outputs[pid], 65536) or "null")
    ended.append({"at": (time.monotonic() - began) * 1000, "exit": os.waitstatus_to_exitcode(status),
                  "acted": bool(said and said["actions"]), "cpu": (usage.ru_utime + usage.ru_stime) * 1000,
                  "memory": usage.ru_maxrss / 1024})
print(json.dumps(ended))
`;

type One = { at: number; exit: number; acted: boolean; cpu: number; memory: number };

async function runFleet(cwd: string, url: string, count: number, python: string): Promise<Fleet> {
  const line = path.join(mkdtempSync(path.join(tmpdir(), "preflight-line-")), "line");
  const argv = ["-c", startTogether, String(count), line, binary, "run"];
  const env = { PATH: process.env["PATH"], HOME: tmpdir(), DATABASE_URL: url };
  const child = spawn(python, argv, { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) text += String(chunk);
  const ended = JSON.parse(text) as readonly One[];
  const failed = ended.filter(({ exit }) => exit !== 0);
  if (failed.length > 0)
    throw new Error(`${failed.length} of ${count} ended with ${failed[0]?.exit}`);
  const all = Math.max(...ended.map(({ at }) => at));
  const winner = ended.find(({ acted }) => acted)?.at ?? Number.NaN;
  return {
    all,
    afterWinner: all - winner,
    cpu: ended.reduce((sum, { cpu }) => sum + cpu, 0) / count,
    memory: Math.max(...ended.map(({ memory }) => memory)),
  };
}
