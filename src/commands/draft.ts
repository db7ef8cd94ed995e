import type { Outcome } from "../core/outcome.ts";
import type { VerdictLine } from "../report/verdict-line.ts";

/** The verdict line while a run fills it in: a run that ends early tells what it knew by then. */
export type Draft = {
  -readonly [
    Field in keyof Omit<VerdictLine, "v" | "exit" | "wouldExit" | "outcome" | "reason" | "next">
  ]: VerdictLine[Field];
};

/** How a command ended. */
export type Ending = {
  readonly outcome: Outcome;
  readonly reason: string | null;
  readonly next: readonly string[];
};

export const ready: Ending = { outcome: "ready", reason: null, next: [] };

export function emptyDraft(runId: string): Draft {
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

export function completeLine(draft: Draft, ending: Ending, exit: number): VerdictLine {
  return {
    v: 1,
    verdict: draft.verdict,
    outcome: ending.outcome,
    exit,
    wouldExit: null,
    tool: draft.tool,
    recorded: draft.recorded,
    proven: draft.proven,
    actions: draft.actions,
    recordedAfter: draft.recordedAfter,
    withoutFile: draft.withoutFile,
    skipped: draft.skipped,
    ledger: draft.ledger,
    drift: draft.drift,
    reason: ending.reason,
    next: [...ending.next],
    waitedMs: draft.waitedMs,
    lockWaitMs: draft.lockWaitMs,
    actedMs: draft.actedMs,
    server: draft.server,
    runId: draft.runId,
  };
}

/** Words of the contract stay as they are, even where a password is spelled the same. */
export function redactDraft(draft: Draft, redact: (text: string) => string): Draft {
  const each = (texts: string[]): string[] => texts.map(redact);
  return {
    ...draft,
    recorded: draft.recorded && each(draft.recorded),
    recordedAfter: draft.recordedAfter && each(draft.recordedAfter),
    withoutFile: each(draft.withoutFile),
    skipped: each(draft.skipped),
    proven: draft.proven && each(draft.proven),
    actions: draft.actions.map((action) => {
      switch (action.kind) {
        case "stamp":
          return { ...action, from: each(action.from), to: each(action.to) };
        case "upgrade":
          return { ...action, revisions: each(action.revisions) };
        case "widen":
          return action;
      }
    }),
  };
}
