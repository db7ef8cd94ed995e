import { ConnectionFault } from "../database/errors.ts";
import { formatDuration } from "../database/waiting.ts";
import { runChild } from "../tools/child.ts";
import type { World } from "./world.ts";

const longestPassword = 64 * 1024;

/**
 * What the command prints on stdout, without its last line break. The command is stopped when we are.
 * Throws ConnectionFault PASSWORD_COMMAND, CannotJudge `missing-input`, or the signal's reason.
 * @param limit milliseconds
 */
export async function askPassword(
  argv: readonly string[],
  limit: number,
  world: World,
): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  let lastLine = "";
  const end = await runChild(argv, {
    cwd: world.cwd,
    env: world.env,
    timeout: limit,
    abort: world.signal,
    signalGroup: world.signalGroup,
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
  world.signal.throwIfAborted();
  const password = Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, "");
  // A command that fails may have said it on stderr too.
  world.learnSecret(password);
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
