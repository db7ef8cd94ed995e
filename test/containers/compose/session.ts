import type { Seen } from "../../support/terminal.ts";

/**
 * Plays a document's sessions, its blocks of `console`, one command after the other.
 * @returns the document with what was really seen
 */
export async function playSessions(
  document: string,
  type: (command: string) => Promise<Seen>,
): Promise<string> {
  let played = "";
  let from = 0;
  for (const block of document.matchAll(/(?<=^```console\n)[^]*?(?=^```$)/gm)) {
    played += document.slice(from, block.index);
    for (const [, command = ""] of block[0].matchAll(/^\$ (.*)$/gm)) {
      const seen = await type(command);
      expectExit(command, seen);
      played += [`$ ${command}`, ...shown(command, seen.text), ""].join("\n");
    }
    from = block.index + block[0].length;
  }
  return played + document.slice(from);
}

/** What Preflight ended with is what its container, and compose, end with. */
function expectExit(command: string, { exit, text }: Seen): void {
  const [, told] = /^\{"v":1,.*?"exit":(\d+),/m.exec(text) ?? [];
  const isRun = command.includes("docker compose run ");
  const isRefused = text.split(/\r?\n/).some((line) => refusal(line) !== null);
  if (isRefused ? exit === 0 : exit !== (isRun ? Number(told ?? 0) : 0))
    throw new Error(`\`${command}\` ended with ${exit}:\n${text}`);
}

/** What is seen, without what differs from run to run, and from one version of compose to the other. */
function shown(command: string, text: string): readonly string[] {
  const lines = text.split(/[\r\n]+/).map((line) => line.replace(version1Creates, "").trimEnd());
  if (isOfCompose(command)) return lines.map(refusal).filter((line) => line !== null);
  return withoutTracebacks(lines.filter((line) => line !== "" && !isChatter(line))).map(shorten);
}

/** Of these commands compose alone says something; what counts is whether they were refused. */
function isOfCompose(command: string): boolean {
  return /^(\w+=\S+ )?docker compose (up|build|stop|restart|down) /.test(command);
}

/** In the words of version 2; version 1 names a container by its id. */
function refusal(line: string): string | null {
  const [, exit] =
    /^service "migrate" didn't complete successfully: exit (\d+)$/.exec(line) ??
    /^ERROR: for app +Container "\w+" exited with code (\d+)\.$/.exec(line) ??
    [];
  return exit === undefined ? null : `service "migrate" didn't complete successfully: exit ${exit}`;
}

const version1Creates = /^(Creating|Recreating|Starting) \S+ +\.\.\.( done)?/;

const chatter = [
  // Version 2
  /^\[\+\] /,
  /^ *(\S )?(Container|Network|Volume) /,
  // Version 1
  /^Attaching to/,
  /^\S+ is up-to-date$/,
  /^ERROR: \d+$/,
];

function isChatter(line: string): boolean {
  return chatter.some((pattern) => pattern.test(line));
}

/** A traceback of the migration's is long, and its paths are its image's. */
function withoutTracebacks(lines: readonly string[]): readonly string[] {
  const from = lines.findIndex((line) => line.startsWith("▸ Traceback"));
  const to = lines.findIndex((line) => line.startsWith("✗ "));
  return from === -1 ? lines : [...lines.slice(0, from), "  …", ...lines.slice(to)];
}

/** The verdict line to where it tells the exit code, and log lines without their time. */
function shorten(line: string): string {
  return line
    .replace(/^(\{"v":1,.*?"exit":\d+,).*\}$/, "$1 … }")
    .replace(/ at \d{4}-\d\d-\d\dT[\d:]+Z/, " at …")
    .replace(/^(\{"level":"\w+",)"time":"[^"]*","runId":"[^"]*",/, "$1 … ");
}
