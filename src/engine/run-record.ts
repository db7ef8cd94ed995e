import type { Log } from "../report/log.ts";
import type { VerdictLine } from "../report/verdict-schema.ts";
import type { Ending, RunRecord } from "./context.ts";

export function emptyRecord(runId: string): RunRecord {
  return {
    verdict: null,
    tool: null,
    recorded: null,
    proven: null,
    actions: [],
    recordedAfter: null,
    withoutFile: [],
    skipped: [],
    ledger: null,
    drift: { missing: 0, changed: 0, extra: 0 },
    waitedMs: 0,
    lockWaitMs: 0,
    actedMs: 0,
    server: null,
    runId,
  };
}

export function completeLine(record: RunRecord, ending: Ending, exit: number): VerdictLine {
  return {
    v: 1,
    verdict: record.verdict,
    outcome: ending.outcome,
    exit,
    wouldExit: null,
    tool: record.tool,
    recorded: record.recorded,
    proven: record.proven,
    actions: record.actions,
    recordedAfter: record.recordedAfter,
    withoutFile: record.withoutFile,
    skipped: record.skipped,
    ledger: record.ledger,
    drift: record.drift,
    reason: ending.reason,
    next: [...ending.next],
    waitedMs: record.waitedMs,
    lockWaitMs: record.lockWaitMs,
    actedMs: record.actedMs,
    server: record.server,
    runId: record.runId,
  };
}

/** Words of the contract stay as they are, even where a password is spelled the same. */
export function redactRecord(record: RunRecord, redact: (text: string) => string): RunRecord {
  const each = (texts: string[]): string[] => texts.map(redact);
  return {
    ...record,
    recorded: record.recorded && each(record.recorded),
    recordedAfter: record.recordedAfter && each(record.recordedAfter),
    withoutFile: each(record.withoutFile),
    skipped: each(record.skipped),
    proven: record.proven && each(record.proven),
    actions: record.actions.map((action) => {
      switch (action.kind) {
        case "stamp":
        case "undo":
          return { ...action, from: each(action.from), to: each(action.to) };
        case "upgrade":
          return { ...action, revisions: each(action.revisions) };
        case "repair":
          return { ...action, to: each(action.to) };
        case "widen":
          return action;
      }
    }),
  };
}

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
