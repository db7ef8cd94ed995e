import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { DatabaseAddress } from "../core/database-address.ts";
import { CannotJudge } from "../core/outcome.ts";
import { findProgram } from "./find-program.ts";
import { connect } from "./scratch-server.ts";
import type { OwnServer } from "./start-postgres.ts";
import { watchOver } from "./watchdog.ts";

type Environment = Readonly<Record<string, string | undefined>>;

type ImageOptions = {
  readonly image: string;
  /** By it an engine's client finds its engine. */
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly log: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
};

/** A container engine's own client, which knows contexts, sockets and logins as its user has set them up. */
type Engine = {
  readonly name: "docker" | "podman";
  /** @returns what it printed. Throws where it fails. */
  readonly ask: (words: readonly string[], signal?: AbortSignal) => Promise<string>;
  readonly program: string;
};

type Container = {
  readonly name: string;
  /** The engine's client, which stays as long as the container runs. */
  readonly client: ChildProcess;
  readonly output: () => string;
};

/** Milliseconds until the server accepts connections: some images have migrations of their own. */
const longestStart = 120_000;

export function enginesOnPath({ PATH: path = "" }: Environment): readonly Engine["name"][] {
  return (["docker", "podman"] as const).filter((name) => findProgram(name, path, "/") !== null);
}

/**
 * Starts a throw-away server from the official image of PostgreSQL, or from one that starts like it.
 * @throws CannotJudge `missing-input` (no engine, no image, or no such image) or `unavailable`
 */
export async function startImage(options: ImageOptions): Promise<OwnServer> {
  const { image, env, log } = options;
  const engine = await findEngine(options);
  const variables = await readVariables(engine, options);
  const password = randomBytes(16).toString("hex");
  const container = startContainer(engine, image, { ...env, POSTGRES_PASSWORD: password });
  const { name, client } = container;
  log("starting a throw-away server", { engine: engine.name, image, container: name });
  const watched = [engine.program, name, String(client.pid)];
  const stopWatching = watchOver(watchdogScript, watched, env);
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopped ??= remove(engine, container).finally(stopWatching);
    return stopped;
  };
  try {
    const user = variables.get("POSTGRES_USER") ?? "postgres";
    const login = { user, password, database: "postgres", sslMode: null, sslRootCert: null };
    const address = await waitUntilReady({ engine, container, login }, options);
    return { address, socket: null, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The first that answers. */
async function findEngine({ env, signal }: ImageOptions): Promise<Engine> {
  const why: string[] = [];
  for (const name of enginesOnPath(env)) {
    const address = env[name === "docker" ? "DOCKER_HOST" : "CONTAINER_HOST"] ?? "";
    if (isElsewhere(address)) {
      why.push(`${name}: its engine is on another machine (${new URL(address).hostname})`);
      continue;
    }
    const program = findProgram(name, env["PATH"] ?? "", "/") ?? name;
    const ask: Engine["ask"] = async (words, abort) => {
      const ran = promisify(execFile)(program, words, { env, ...(abort && { signal: abort }) });
      return (await ran).stdout.trim();
    };
    const failure = await ask(["ps", "--quiet"], signal).then(() => null, lastLineOf);
    signal.throwIfAborted();
    if (failure === null) return { name, program, ask };
    why.push(`${name}: ${failure}`);
  }
  if (why.length === 0) why.push("neither docker nor podman is on the PATH");
  throw new CannotJudge(
    "missing-input",
    `--scratch-image needs a container engine on this machine, and none answers: ${why.join("; ")}`,
    [
      "install or start Docker or Podman; where its socket is closed to you, join the group docker, or take Podman, which needs no rights",
      "or name a server that is running: --scratch-url",
    ],
  );
}

/** A container's port on the loopback of that machine is out of reach. */
function isElsewhere(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  const isSocket = protocol === "unix:" || protocol === "npipe:";
  return !isSocket && !/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

/** What the image sets; it is pulled if it is not there. */
async function readVariables(
  { name, ask }: Engine,
  { image, signal, log }: ImageOptions,
): Promise<ReadonlyMap<string, string>> {
  const words = ["image", "inspect", "--format", "{{json .Config.Env}}", image];
  let text = await ask(words, signal).catch(() => null);
  signal.throwIfAborted();
  if (text === null) {
    log(`pulling ${image}, which ${name} does not have`);
    text = await ask(["pull", "--quiet", image], signal)
      .then(async () => await ask(words, signal))
      .catch((error: unknown) => {
        signal.throwIfAborted();
        throw new CannotJudge(
          "missing-input",
          `${name} does not have the image ${image} and cannot pull it: ${lastLineOf(error)}`,
          ["check its name and tag, and the login to its registry; what is there is not pulled"],
        );
      });
  }
  const lines = (JSON.parse(text) as readonly string[] | null) ?? [];
  return new Map(
    lines.map((line) => {
      const end = line.indexOf("=");
      return [line.slice(0, end), line.slice(end + 1)] as const;
    }),
  );
}

/** With the image's own command, which may load what its extensions need. */
function startContainer({ program }: Engine, image: string, env: Environment): Container {
  const name = `preflight-bake-${randomBytes(8).toString("hex")}`;
  // Whatever a crash leaves is found by the label.
  const words = [
    "--rm",
    "--pull",
    "never",
    "--name",
    name,
    "--label",
    `dev.preflight.bake=${name}`,
  ];
  const server = ["--publish", "127.0.0.1::5432", "--env", "POSTGRES_PASSWORD", image];
  const client = spawn(program, ["run", ...words, ...server], {
    env: { ...env },
    // Not the terminal's process group: a Ctrl-C must not end the server under its clients.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const take = (chunk: Buffer | string): void => {
    text = (text + chunk.toString()).slice(-8_000);
  };
  client.once("error", ({ message }) => take(message));
  client.stdout.on("data", take);
  client.stderr.on("data", take);
  return { name, client, output: () => text.trim() };
}

const watchdogScript = `
kill -KILL "$3"
for _ in 1 2 3; do "$1" rm --force --volumes "$2"; sleep 1; done`;

/** Its client ends with it. Of one that has only begun there may be nothing to remove yet. */
async function remove({ ask }: Engine, { name, client }: Container): Promise<void> {
  for (let attempt = 1; attempt <= 5; attempt++) {
    await ask(["rm", "--force", "--volumes", name]).catch(() => {});
    for (let waited = 0; waited < 1_000; waited += 20) {
      if (hasEnded(client)) return;
      await sleep(20);
    }
  }
  client.kill("SIGKILL");
}

function hasEnded({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}

type Started = {
  readonly engine: Engine;
  readonly container: Container;
  readonly login: Omit<DatabaseAddress, "host" | "port">;
};

/** While it prepares its cluster such an image has a server that only a socket in it leads to. */
async function waitUntilReady(
  { engine, container, login }: Started,
  { image, signal }: ImageOptions,
): Promise<DatabaseAddress> {
  const deadline = Date.now() + longestStart;
  let port: number | null = null;
  let last = "its port was never opened";
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    if (hasEnded(container.client)) throw whyEnded(engine, container, image);
    port ??= await publishedPort(engine, container);
    if (port !== null) {
      const address = { ...login, host: "127.0.0.1", port };
      const refusal = await tryLogin(address);
      if (refusal === null) return address;
      if (refusal.isFinal) throw notPostgres(image, refusal.why);
      last = refusal.why;
    }
    await sleep(100, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  throw new CannotJudge(
    "unavailable",
    `The server of --scratch-image ${image} did not accept connections within ${longestStart / 1_000} s: ${last}. The container's last line: ${lastLineOf(container.output())}`,
    [
      "where bake itself runs in a container, or the engine is on another machine, the container's port is out of reach: start the server beside it, and name it with --scratch-url",
      "or take the official image postgres, or one that starts like it",
    ],
  );
}

async function publishedPort({ ask }: Engine, { name }: Container): Promise<number | null> {
  const printed = await ask(["port", name, "5432/tcp"]).catch(() => "");
  const port = /:(\d+)$/m.exec(printed)?.[1];
  return port === undefined ? null : Number(port);
}

/** @returns null: it accepts connections, and is as quick as a server of our own */
async function tryLogin(
  address: DatabaseAddress,
): Promise<{ readonly why: string; readonly isFinal: boolean } | null> {
  const sql = connect(address);
  try {
    await sql`SELECT 1`;
    // A role that may not do this is refused where the server is looked at.
    for (const setting of quickSettings)
      await sql.unsafe(`ALTER SYSTEM SET ${setting}`).catch(() => {});
    await sql`SELECT pg_catalog.pg_reload_conf()`.catch(() => {});
    return null;
  } catch (error) {
    const { code = "", message } = error as { code?: string; message: string };
    return { why: message, isFinal: /^28\w{3}$/.test(code) };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const quickSettings: readonly string[] = [
  "fsync = off",
  "full_page_writes = off",
  "synchronous_commit = off",
  "autovacuum = off",
  "jit = off",
  "timezone = 'UTC'",
];

function whyEnded({ name }: Engine, { client, output }: Container, image: string): CannotJudge {
  // Docker and Podman keep this code for what is no fault of the container's.
  if (client.exitCode !== 125 && client.pid !== undefined)
    return notPostgres(
      image,
      `it ended with exit code ${client.exitCode}: ${lastLineOf(output())}`,
    );
  return new CannotJudge(
    "missing-input",
    `${name} cannot start a container of the image ${image}: ${lastLineOf(output())}`,
    [`make \`${name} run --rm ${image}\` work, or name a server that is running: --scratch-url`],
  );
}

function notPostgres(image: string, why: string): CannotJudge {
  return new CannotJudge(
    "missing-input",
    `The image ${image} does not start as PostgreSQL's official image does, with a superuser whose password is POSTGRES_PASSWORD: ${why}`,
    ["take postgres, or an image that is made from it: --scratch-image postgres:18"],
  );
}

/** What an engine's client has to say stands last. */
function lastLineOf(said: unknown): string {
  const { stderr, message } = said as { stderr?: string; message?: string };
  const text = typeof said === "string" ? said : stderr?.trim() || message || "";
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  // Docker ends with a hint at its own help.
  return (lines.findLast((line) => !/^(?:See '|Run ')/.test(line)) ?? "it said nothing").trim();
}
