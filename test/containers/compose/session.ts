/**
 * Plays a document's sessions, its blocks of `console`, one command after the other.
 * @param type gives what a command showed
 * @returns the document with what was really seen
 */
export async function playSessions(
  document: string,
  type: (command: string) => Promise<string>,
): Promise<string> {
  let played = "";
  let from = 0;
  for (const block of document.matchAll(/(?<=^```console\n)[^]*?(?=^```$)/gm)) {
    played += document.slice(from, block.index);
    for (const [, command = ""] of block[0].matchAll(/^\$ (.*)$/gm))
      played += [`$ ${command}`, ...linesOf(await type(command)), ""].join("\n");
    from = block.index + block[0].length;
  }
  return played + document.slice(from);
}

/** What differs from run to run, or between the versions of compose, is not the document's. */
function linesOf(seen: string): readonly string[] {
  return seen
    .replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/g, "")
    .replaceAll("^D\b\b", "")
    .split(/[\r\n]+/)
    .map(compose1AsCompose2)
    .filter((line) => !isChatter(line))
    .map((line) => shorten(line.trimEnd()));
}

const chatter = [
  /^\s*$/,
  // Version 2
  /^\[\+\] /,
  /^ *(✔ )?(Container|Network|Volume) /,
  // Version 1
  /^(Creating|Recreating|Starting|Stopping|Removing|Pulling|Attaching to) /,
  /^\S+ is up-to-date$/,
  /^The "app" service specifies a port on the host/,
  /^ERROR: Encountered errors while bringing up the project/,
];

function isChatter(line: string): boolean {
  return chatter.some((pattern) => pattern.test(line));
}

function compose1AsCompose2(line: string): string {
  const failed = /^ERROR: for (\S+) +Container "\w+" exited with code (\d+)\.$/.exec(line);
  return failed === null
    ? line
    : `service "migrate" didn't complete successfully: exit ${failed[2]}`;
}

/** The verdict line to where it tells the exit code, and log lines without their time. */
function shorten(line: string): string {
  return line
    .replace(/^(\{"v":1,.*?"exit":\d+,).*\}$/, "$1 … }")
    .replace(/^(\{"level":"\w+",)"time":"[^"]*","runId":"[^"]*",/, "$1 … ");
}
