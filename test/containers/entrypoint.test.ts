import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  buildApplication,
  copyLine,
  lineOf,
  removeImages,
  ticketsContext,
} from "./support/application.ts";
import {
  docker,
  ensureImages,
  ensurePreflightImages,
  mustDocker,
  type Ran,
} from "./support/engine.ts";
import { type Database, startDatabase } from "./support/postgres.ts";

/** The three ways in which Preflight stands before an application as a container's first process. */
const forms = ["run", "entrypoint.sh", "module"] as const;
type Form = (typeof forms)[number];

let database: Database;
let ready: string;
const images = new Map<Form | "plain", string>();
const containers: string[] = [];

beforeAll(async () => {
  await ensureImages(["debian:bookworm-slim", "node:24-slim"]);
  await ensurePreflightImages();
  database = await startDatabase();
  const context = await ticketsContext();
  const files = ["WORKDIR /app", "COPY migrations migrations", "COPY preflight.ledger.json ./"];
  const debian = ["FROM debian:bookworm-slim", ...files, copyLine];
  const build = async (form: Form | "plain", lines: readonly string[]): Promise<void> => {
    images.set(form, await buildApplication(form, context, lines));
  };
  await build("plain", debian);
  await build("run", [...debian, 'ENTRYPOINT ["preflight", "run", "--"]']);
  const shell = "COPY --chmod=0555 entrypoint.sh /usr/local/bin/entrypoint.sh";
  await build("entrypoint.sh", [...debian, shell, 'ENTRYPOINT ["entrypoint.sh"]']);
  const module = "COPY --chmod=0555 preflight.mjs /usr/local/bin/preflight";
  await build("module", [
    "FROM node:24-slim",
    ...files,
    module,
    'ENTRYPOINT ["preflight", "run", "--"]',
  ]);
  ready = await database.create();
  const { code, stderr } = await run("run", ["-e", `DATABASE_URL=${ready}`], ["true"]);
  expect(code, stderr).toBe(0);
});

afterEach(async () => {
  for (const name of containers.splice(0)) await docker(["rm", "--force", "--volumes", name]);
});

afterAll(async () => {
  await database?.stop();
  await removeImages([...images.values()]);
});

async function run(
  form: Form | "plain",
  words: readonly string[],
  command: readonly string[],
): Promise<Ran> {
  return await docker([
    "run",
    "--rm",
    "--network",
    database.network,
    ...words,
    images.get(form)!,
    ...command,
  ]);
}

/** Starts a container in the background and waits until it has said the text. */
async function start(
  form: Form,
  words: readonly string[],
  command: readonly string[],
  text: string,
): Promise<string> {
  const name = `preflight-test-${randomUUID().slice(0, 8)}`;
  containers.push(name);
  await mustDocker([
    "run",
    "--detach",
    "--name",
    name,
    "--network",
    database.network,
    ...words,
    images.get(form)!,
    ...command,
  ]);
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { stdout, stderr } = await docker(["logs", name]);
    if (`${stdout}${stderr}`.includes(text)) return name;
    if (Date.now() > deadline) throw new Error(`${name} does not say ${text}: ${stdout}${stderr}`);
    await sleep(100);
  }
}

/** `docker stop`: SIGTERM, and SIGKILL after the seconds. */
async function stop(
  name: string,
): Promise<{ readonly code: number } & Pick<Ran, "stdout" | "stderr">> {
  await mustDocker(["stop", "--time", "30", name]);
  const code = Number(await mustDocker(["inspect", "--format", "{{.State.ExitCode}}", name]));
  return { ...(await docker(["logs", name])), code };
}

const waitsForTerm = [
  "sh",
  "-c",
  'trap "echo told to stop; exit 7" TERM; echo at work; while :; do sleep 0.1; done',
];

describe.each(forms)("%s as the first process", (form) => {
  it("passes exit statuses through", async () => {
    for (const status of [0, 7, 255]) {
      const { code } = await run(
        form,
        ["-e", `DATABASE_URL=${ready}`],
        ["sh", "-c", `exit ${status}`],
      );
      expect(code).toBe(status);
    }
    const unknown = await run(form, ["-e", `DATABASE_URL=${ready}`], ["no-such-program"]);
    expect(unknown.code).toBe(127);
  });

  it("docker stop while it waits for the database: 143, and the application is not started", async () => {
    const words = [
      "-e",
      "DATABASE_URL=postgres://test:test@db:1/test",
      "-e",
      "PREFLIGHT_TIMEOUT=5m",
    ];
    const name = await start(form, words, ["echo", "at work"], "ECONNREFUSED");
    const ended = await stop(name);
    expect(ended.code, ended.stderr).toBe(143);
    expect(lineOf(ended)).toMatchObject({ exit: 143, outcome: "signal" });
    expect(ended.stdout).not.toContain("at work");
  });

  it("docker stop during the upgrade: 143, and nothing of the file stands", async () => {
    const url = await database.create();
    const directory = mkdtempSync(path.join(tmpdir(), "preflight-slow-"));
    writeFileSync(
      path.join(directory, "001_slow.sql"),
      "CREATE TABLE slow (id int);\nSELECT pg_sleep(600);\n",
    );
    chmodSync(directory, 0o755);
    // Not in the image's own place: the ledger there knows other files.
    const words = [
      "-e",
      `DATABASE_URL=${url}`,
      "-e",
      "PREFLIGHT_MIGRATIONS=/slow/migrations",
      "-v",
      `${directory}:/slow/migrations:ro`,
    ];
    const name = await start(form, words, ["echo", "at work"], "001_slow.sql");
    await sleep(500);
    const ended = await stop(name);
    expect(ended.code, ended.stderr).toBe(143);
    expect(lineOf(ended)).toMatchObject({ exit: 143, outcome: "signal" });
    expect(ended.stdout).not.toContain("at work");
    expect(await database.sql(url, "SELECT to_regclass('slow') AS slow")).toEqual([{ slow: null }]);
    const left =
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    expect(await database.sql(url, left)).toEqual([{ n: 0 }]);
  });

  it("docker stop after it: the application is told, and its status is the container's", async () => {
    const name = await start(form, ["-e", `DATABASE_URL=${ready}`], waitsForTerm, "at work");
    const ended = await stop(name);
    expect(ended.stdout).toContain("told to stop");
    expect(ended.code).toBe(7);
  });

  it("the application is the first process; a signal from outside ends it as itself", async () => {
    const first = await run(form, ["-e", `DATABASE_URL=${ready}`], ["sh", "-c", "echo $$"]);
    expect(first.stdout.trim()).toBe("1");
    const name = await start(form, ["-e", `DATABASE_URL=${ready}`], waitsForTerm, "at work");
    await mustDocker(["kill", "--signal", "KILL", name]);
    expect(await mustDocker(["wait", name])).toBe("137");
  });

  it("under docker's own init, a program without handlers ends by SIGTERM", async () => {
    const words = ["--init", "-e", `DATABASE_URL=${ready}`];
    const name = await start(form, words, ["sh", "-c", "echo at work; exec sleep 600"], "at work");
    expect((await stop(name)).code).toBe(143);
  });

  it("the application inherits signals, descriptors and everything else as docker gave it", async () => {
    const words = ["--ulimit", "nofile=1000:4000", "-e", `DATABASE_URL=${ready}`];
    const look = `grep -E '^(Sig(Pnd|Blk|Ign|Cgt)|ShdPnd|Cap|NoNewPrivs|Seccomp|Groups|Umask)' /proc/self/status
for each in c d f l m n p s t v; do ulimit -H -$each; done
for each in c d f l m p s t v; do ulimit -S -$each; done
ls /proc/self/fd; cat /proc/self/oom_score_adj /proc/self/timerslack_ns; env | sort | grep -v HOSTNAME; pwd; nice`;
    const direct = await run("plain", words, ["sh", "-c", look]);
    const behind = await run(form, words, ["sh", "-c", look]);
    expect(behind.code, behind.stderr).toBe(0);
    expect(behind.stdout).toBe(direct.stdout);
  });

  it("the soft limit of open files: as it was after entrypoint.sh, as the hard one after the runtimes", async () => {
    const words = ["--ulimit", "nofile=1000:4000", "-e", `DATABASE_URL=${ready}`];
    const { stdout } = await run(form, words, ["sh", "-c", "ulimit -S -n; ulimit -H -n"]);
    expect(stdout).toBe(form === "entrypoint.sh" ? "1000\n4000\n" : "4000\n4000\n");
  });
});

/** Leaves two processes without a parent, which end at once. */
const leavesOrphans = "#!/bin/sh\n(true &)\n(sh -c '(true &)' &)\necho test\n";
const tellStates = ["sh", "-c", "exec grep -h ^State: /proc/[0-9]*/status"];

describe("what a migration or a password command leaves behind", () => {
  async function statesAfter(form: Form, more: readonly string[] = []): Promise<readonly string[]> {
    const directory = mkdtempSync(path.join(tmpdir(), "preflight-orphans-"));
    chmodSync(directory, 0o755);
    writeFileSync(path.join(directory, "password"), leavesOrphans, { mode: 0o755 });
    const url = new URL(ready);
    url.password = "";
    const words = ["-v", `${directory}:/orphans:ro`, "-e", `DATABASE_URL=${url.href}`];
    const ended = await run(
      form,
      [...more, ...words, "-e", "PREFLIGHT_PASSWORD_COMMAND=/orphans/password"],
      tellStates,
    );
    expect(ended.code, ended.stderr).toBe(0);
    return ended.stdout.trim().split("\n");
  }

  it("is no zombie below the application", async () => {
    expect(await statesAfter("run")).toEqual(["State:\tR (running)"]);
  });

  it.each(forms)("is none under docker's own init (%s)", async (form) => {
    expect(
      (await statesAfter(form, ["--init"])).filter((state) => state.includes("zombie")),
    ).toEqual([]);
  });
});

describe("/dev/termination-log", () => {
  it.each(forms)("gets the verdict line where it exists (%s)", async (form) => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "preflight-log-")), "termination-log");
    writeFileSync(file, "");
    const words = ["-v", `${file}:/dev/termination-log`, "-e", `DATABASE_URL=${ready}`];
    const started = await run(form, words, ["true"]);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(lineOf(started));
    writeFileSync(file, "");
    const refused = await run(form, [...words, "-e", "PREFLIGHT_AHEAD=never"], ["true"]);
    expect(refused.code).toBe(78);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(lineOf(refused));
  });
});
