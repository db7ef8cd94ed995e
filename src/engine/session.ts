import type { Server } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import { optionsWithPath } from "../core/search-path.ts";
import { lookAnewAndFinish } from "../core/ways-out.ts";
import type { Database } from "../database/database.ts";
import { ConnectionFault } from "../database/errors.ts";
import { connectAndWait } from "../database/wait.ts";
import { formatDuration } from "../database/waiting.ts";
import { readDatabase } from "../settings/connection-source.ts";
import type { Connection } from "../settings/connection.ts";
import { collectSecrets } from "../settings/secrets.ts";
import type { Settings } from "../settings/settings.ts";
import { noFindings, readingOnce, type Sources } from "../settings/sources.ts";
import { runChild } from "../tools/child.ts";
import { type Context, waitingOf } from "./context.ts";

/** Milliseconds that the last attempt leaves to the command for the password. */
const shortestCommand = 500;

export type SessionOptions = {
  /** By which the server's other users, and we ourselves, tell the session apart. */
  readonly applicationName?: string;
  /** Only a server that can be written to. */
  readonly toWrite?: boolean;
  /** Milliseconds that are no part of the settings' time; otherwise what is left of it. */
  readonly timeout?: number;
  /** Comes first in the session's search_path, whatever else is set. */
  readonly searchPath?: readonly string[];
  /** Called after every attempt that failed and will be repeated. */
  readonly onWaiting?: () => void;
};

/** Waits for the database as long as the settings allow, all waits of a run taken together. */
export async function openSession(
  settings: Settings,
  context: Context,
  options: SessionOptions = {},
): Promise<Database> {
  if (settings.database === null) throw new CannotJudge("config", "no database is named");
  const { toWrite, searchPath, onWaiting } = options;
  const timeout = options.timeout ?? Math.max(0, settings.timeout - context.record.waitedMs);
  const started = context.now();
  const left = (): number =>
    timeout === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(started + timeout - context.now(), shortestCommand);
  const readAddress = addressReader(settings.database, settings, context, left);
  try {
    return await connectAndWait(
      async () => {
        const address = await readAddress();
        return {
          ...address,
          ...(toWrite && { targetSession: "read-write" }),
          ...(searchPath && { options: optionsWithPath(address.options, searchPath) }),
        };
      },
      {
        ...waitingOf(context),
        timeout,
        applicationName: options.applicationName ?? `preflight/${context.runId}`,
        ...(onWaiting && { onWaiting }),
      },
    );
  } finally {
    if (options.timeout === undefined)
      context.record.waitedMs += Math.round(context.now() - started);
  }
}

/** How long the command for the password may take. */
const longestCommand = 10_000;

/**
 * The database's address as it is at the moment: secret files are rotated and tokens are short-lived. Where it can no
 * longer be read, such as in the middle of a rotation, the last good one counts.
 * @param left milliseconds until nobody waits any more
 */
export function addressReader(
  first: Connection,
  { passwordCommand }: Pick<Settings, "passwordCommand">,
  context: Context,
  left: () => number,
): () => Promise<Connection> {
  let last = first;
  let said = "";
  return async () => {
    last = readAgain() ?? last;
    if (passwordCommand === null) return last;
    const password = await askPassword(passwordCommand, Math.min(longestCommand, left()), context);
    return { ...last, hosts: last.hosts.map((host) => ({ ...host, password })) };
  };

  function readAgain(): Connection | null {
    const sources = readingOnce(withoutPipes(context));
    const findings = noFindings();
    const connection = readDatabase(sources, findings);
    for (const secret of collectSecrets(sources, [connection], null)) context.learnSecret(secret);
    const faults = findings.faults.join("; ");
    if (faults !== "" && faults !== said) {
      const msg = `the database's address as it was before is used: ${faults}`;
      context.log({ level: "warn", event: "settings.unreadable", msg });
    }
    said = faults;
    return connection;
  }
}

/** A pipe has given all that it had; to read it again may wait for ever. */
function withoutPipes(context: Context): Sources {
  return {
    ...context,
    readFile: (path) => {
      if (context.statFile(path)?.isFile !== false) return context.readFile(path);
      throw Object.assign(new Error("not a plain file"), { code: "ESPIPE" });
    },
  };
}

const longestPassword = 64 * 1024;

/**
 * What the command prints on stdout, without its last line break. The command is stopped when we are.
 * Throws ConnectionFault PASSWORD_COMMAND, CannotJudge `missing-input`, or the signal's reason.
 * @param limit milliseconds
 */
async function askPassword(
  argv: readonly string[],
  limit: number,
  context: Context,
): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  let lastLine = "";
  const end = await runChild(argv, {
    cwd: context.cwd,
    env: context.env,
    timeout: limit,
    abort: context.signal,
    signalGroup: context.signalGroup,
    grace: 0,
    setting: "PREFLIGHT_PASSWORD_COMMAND",
    onStdout: (bytes) => {
      length += bytes.length;
      if (length <= longestPassword) chunks.push(bytes);
    },
    onLine: (line) => {
      if (line.trim() !== "") lastLine = line.slice(0, 500);
    },
  });
  context.signal.throwIfAborted();
  const password = Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, "");
  // A command that fails may have said it on stderr too.
  context.learnSecret(password);
  const why = whyNot();
  if (why === null) return password;
  const said = lastLine === "" ? "it says nothing on stderr" : `its last line: ${lastLine}`;
  throw new ConnectionFault("PASSWORD_COMMAND", `${argv[0]} ${why}; ${said}`);

  function whyNot(): string | null {
    if (end.kind === "stopped") return `did not end within ${formatDuration(limit)}`;
    if (end.kind === "killed") return `was killed by ${end.signal}`;
    if (end.code !== 0) return `exited with ${end.code}`;
    if (length > longestPassword) return "printed more than 64 KiB";
    if (password === "") return "printed nothing";
    if (password.includes("\0")) return "printed a NUL byte";
    return null;
  }
}

/** The lock holds on one server only. */
export function refuseAnotherServer(
  { place }: Database,
  before: Pick<Server, "startedAt">,
  now: Pick<Server, "startedAt">,
): void {
  if (before.startedAt === now.startedAt) return;
  throw new CannotJudge(
    "temporary",
    `the server that answers now (${place}) started at ${now.startedAt}, the one that gave the lock at ${before.startedAt}: a restart, a failover, or two servers behind one address`,
    [lookAnewAndFinish],
  );
}
