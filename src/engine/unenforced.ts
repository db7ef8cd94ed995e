import type { Log } from "../report/log.ts";
import type { VerdictLine } from "../report/verdict-line.ts";

/**
 * How a run ends with --enforce off: ready, whatever it found, with all that it would have said. Only a signal still ends
 * it: whoever sent it wants nothing to start.
 */
export function unenforced(line: VerdictLine, log: Log): VerdictLine {
  if (line.outcome === "signal") return { ...line, wouldExit: line.exit };
  log({
    level: "warn",
    event: "unenforced",
    msg: `NOT ENFORCED (--enforce off): nothing was written. ${whatWouldBe(line)}`,
    wouldExit: line.exit,
  });
  return { ...line, outcome: "ready", exit: 0, wouldExit: line.exit };
}

function whatWouldBe({ outcome, exit, actions }: VerdictLine): string {
  if (exit !== 0)
    return `It would have ended with exit code ${exit} (${outcome}); it ends with 0 all the same`;
  if (actions.length === 0) return "With --enforce on it would have ended with 0 as well";
  const kinds = actions.map(({ kind }) => kind).join(", ");
  return `What is to be done first (${kinds}) was not done; it ends with 0 all the same`;
}
