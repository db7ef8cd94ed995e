import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DatabaseAddress } from "../core/database-address.ts";
import { CannotJudge } from "../core/outcome.ts";
import { enumerate } from "../core/words.ts";
import { confinedScript } from "./confined.py.ts";
import { findProgram } from "./find-program.ts";
import { notOurs, openRelay, speaksTls } from "./relay.ts";
import type { Log, Scratch } from "./scratch.ts";

/** A place from which a child reaches the scratch server, and nothing else on any network. */
export type Confinement = {
  readonly wrap: (argv: readonly string[], cwd: string) => readonly string[];
  /** How a scratch database is called from there. */
  readonly reach: (address: DatabaseAddress) => DatabaseAddress;
  readonly close: () => Promise<void>;
};

const run = promisify(execFile);

/**
 * Network and mount namespaces, made by util-linux's `unshare`: as root, or as root of a user namespace.
 * @param path the PATH on which `unshare`, `mount` and Python are looked for
 * @returns the confinement, or why there can be none here
 */
export async function confine(
  scratch: Scratch,
  path: string,
): Promise<Confinement | { readonly kind: "none"; readonly why: string }> {
  const find = (name: string): string | null => findProgram(name, path, "/");
  const unshare = find("unshare");
  const python = find("python3") ?? find("python");
  if (unshare === null) return { kind: "none", why: "there is no unshare on PATH" };
  if (python === null) return { kind: "none", why: "there is no python3 on PATH" };
  const { socket, close } = await openSocket(scratch);
  const hidden = await serverSockets(socket);
  const port = String(portOf(scratch.server));
  const script = [python, "-I", "-S", "-c", confinedScript, socket];
  let why = "";
  for (const flags of userInfo().uid === 0 ? [[], ["-r"]] : [["-r"]]) {
    const head = [unshare, ...flags, "-n", "-m", ...script, port, String(hidden.length), ...hidden];
    const [program = "", ...args] = head;
    const failure = await run(program, args, { env: { PATH: path }, timeout: 20_000 }).then(
      () => null,
      (error: { stderr?: string; message: string }) => lastLine(error.stderr) ?? error.message,
    );
    if (failure === null)
      return {
        wrap: (argv, cwd) =>
          // What is not there is best told by whoever starts it.
          findProgram(argv[0] ?? "", path, cwd) === null ? argv : [...head, ...argv],
        reach: (address) => insideAddress(address, scratch.server),
        close,
      };
    why = failure;
  }
  await close();
  return { kind: "none", why };
}

/** A server of our own has nobody else's databases, and a socket in the file system. */
async function openSocket({
  server,
  socket,
}: Scratch): Promise<{ readonly socket: string; readonly close: () => Promise<void> }> {
  if (socket !== null) return { socket, close: async () => {} };
  const directory = await mkdtemp(join(tmpdir(), "preflight-relay-"));
  const path = join(directory, "s");
  const stop = await openRelay(path, server, (name) => name.startsWith("preflight_bake_"));
  return {
    socket: path,
    close: async () => {
      stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Through TLS the relay cannot see which database is asked for: then an address in the files shall not fit by chance. */
function portOf(server: DatabaseAddress): number {
  return speaksTls(server) ? 54_321 : 5432;
}

/** Our own connection to the server has checked its name; from inside it is called 127.0.0.1. */
function insideAddress(address: DatabaseAddress, server: DatabaseAddress): DatabaseAddress {
  const sslMode = address.sslMode === "verify-full" ? "verify-ca" : address.sslMode;
  return { ...address, host: "127.0.0.1", port: portOf(server), sslMode };
}

/** Other servers' sockets: they lie in the file system and stay within reach of a network namespace. */
async function serverSockets(own: string): Promise<readonly string[]> {
  const bound = await readFile("/proc/net/unix", "utf8").catch(() => "");
  const listed = bound.split("\n").map((line) => /\s(\/.*)$/.exec(line)?.[1] ?? "");
  const usual = await Promise.all(
    ["/run/postgresql", "/var/run/postgresql", "/tmp"].map(async (directory) =>
      (await readdir(directory).catch(() => [])).map((name) => join(directory, name)),
    ),
  );
  const sockets = [...listed, ...usual.flat()].filter(
    (path) => /\/\.s\.PGSQL\.\d+$/.test(path) && path !== own && existsSync(path),
  );
  return [...new Set(sockets)];
}

function lastLine(text: string | undefined): string | null {
  return text?.trim().split("\n").at(-1) || null;
}

/** What keeps a replay off every database that bake did not make. */
export type Protection =
  | { readonly kind: "confined"; readonly confinement: Confinement }
  /** Its read-only `current` is seen to arrive, and there is no second engine that could go elsewhere. */
  | { readonly kind: "one-engine"; readonly why: string }
  | { readonly kind: "unconfined" };

/**
 * @param options.suspects what in the files may lead to another database
 * @param options.unconfined a person's word that nothing needs to be kept off
 * @throws CannotJudge `config` where a child cannot be confined and may reach more than one database
 */
export async function chooseProtection(options: {
  readonly scratch: Scratch;
  readonly path: string;
  readonly suspects: readonly string[];
  readonly unconfined: boolean;
  readonly log: Log;
}): Promise<Protection> {
  const { scratch, path, suspects, unconfined, log } = options;
  if (unconfined) return { kind: "unconfined" };
  const confinement = await confine(scratch, path);
  if (!("kind" in confinement)) return { kind: "confined", confinement };
  const { why } = confinement;
  log("the replay cannot be confined on this machine", { why });
  if (suspects.length === 0) return { kind: "one-engine", why };
  throw new CannotJudge(
    "config",
    `The migrations may reach a database that bake did not make, and this machine cannot keep them from it (${why}): ${enumerate(suspects)}. Nothing was run.`,
    [
      "bake where Linux network namespaces are allowed (unshare -n works), such as on a developer's machine, a CI runner as root, or in a container with --privileged",
      "or make sure that nothing real can be reached from here, and say so: --scratch-unconfined",
    ],
  );
}

export function protect(
  protection: Protection,
  argv: readonly string[],
  cwd: string,
): readonly string[] {
  return protection.kind === "confined" ? protection.confinement.wrap(argv, cwd) : argv;
}

export async function endProtection(protection: Protection): Promise<void> {
  if (protection.kind === "confined") await protection.confinement.close();
}

/** For the end of a bake: which protection held. */
export function describeProtection(protection: Protection): string {
  switch (protection.kind) {
    case "confined":
      return "confined: the child could reach nothing but the scratch server";
    case "one-engine":
      return `not confined (${protection.why}): one engine, seen to arrive on the scratch database`;
    case "unconfined":
      return "not confined, by --scratch-unconfined";
  }
}

/** What a person can do about a child that failed because it was confined. */
export function advise({ kind }: Protection, said: string): readonly string[] {
  if (kind !== "confined" || !unreachable.test(said)) return [];
  return [
    "the replay runs where nothing but the scratch server can be reached: let every address come from a variable (bake gives each another scratch database), not from a file or the code",
    "or, if it must reach something else that is not a database, say --scratch-unconfined",
  ];
}

const unreachable = new RegExp(
  `${notOurs}|unreachable|connection refused|connect call failed|name resolution|name or service not known|could not translate host name|nodename nor servname`,
  "i",
);
