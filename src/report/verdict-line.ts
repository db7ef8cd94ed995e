import { z } from "zod";
import { type Outcome, outcomes } from "../core/outcome.ts";
import { verdictKinds } from "../core/verdict.ts";

/** The stable, versioned contract of the last line of every run; the published JSON schema is made from it. */
export const verdictLine = z
  .object({
    v: z.literal(1),
    verdict: z
      .enum(verdictKinds)
      .nullable()
      .describe("the first diagnosis; null where nothing was looked at"),
    outcome: z.enum(Object.keys(outcomes) as [Outcome, ...Outcome[]]),
    exit: z.int().min(0).max(255),
    wouldExit: z
      .int()
      .min(0)
      .max(255)
      .nullable()
      .describe("with --enforce off: the exit code without it; null: it is on"),
    tool: z.string().nullable(),
    recorded: z
      .array(z.string())
      .nullable()
      .describe("the version rows seen at first; of sql and supabase the newest"),
    proven: z
      .array(z.string())
      .nullable()
      .describe("the heads of the state that the facts equal; null: none, or not compared"),
    actions: z
      .array(
        z.discriminatedUnion("kind", [
          z.object({
            kind: z.literal("stamp"),
            from: z.array(z.string()),
            to: z.array(z.string()),
            because: z.enum(["proven", "assumed"]),
          }),
          z.object({ kind: z.literal("widen"), to: z.int() }),
          z.object({ kind: z.literal("upgrade"), revisions: z.array(z.string()) }),
        ]),
      )
      .describe("what was done; by check and with --enforce off: what run would do"),
    recordedAfter: z.array(z.string()).nullable().describe("the version rows at the end"),
    withoutFile: z
      .array(z.string())
      .describe("sql and supabase: applied versions, older than the newest, that have no file"),
    skipped: z
      .array(z.string())
      .describe("sql and supabase: files numbered below the newest applied one, and not applied"),
    ledger: z.enum(["verified", "absent", "stale"]).nullable(),
    drift: z.object({ missing: z.int(), changed: z.int(), extra: z.int() }),
    reason: z
      .string()
      .nullable()
      .describe(
        "what was seen and what it means, when not ready; with --enforce off, when it would not have been",
      ),
    next: z.array(z.string()).describe("what a person can do about the reason"),
    waitedMs: z.int().describe("waiting for the database"),
    lockWaitMs: z.int().describe("waiting for the lock"),
    actedMs: z.int().describe("stamping and upgrading"),
    server: z.string().nullable().describe("PostgreSQL's version, such as 15.18"),
    runId: z.string(),
  })
  .meta({ title: "Preflight verdict line" });

export type VerdictLine = z.infer<typeof verdictLine>;

/** Kubernetes keeps this much of a termination message. */
const mostBytes = 4096;

/** One line of JSON, shortened where it would be too long for a termination message. */
export function formatVerdictLine(line: VerdictLine): string {
  for (const most of [Infinity, 20, 5, 1]) {
    const text = JSON.stringify(shorten(line, most));
    if (Buffer.byteLength(text) <= mostBytes) return text;
  }
  return JSON.stringify(shorten({ ...line, next: [], actions: [] }, 1));
}

function shorten(line: VerdictLine, most: number): VerdictLine {
  if (most === Infinity) return line;
  return {
    ...line,
    recorded: line.recorded && few(line.recorded),
    recordedAfter: line.recordedAfter && few(line.recordedAfter),
    proven: line.proven && few(line.proven),
    withoutFile: few(line.withoutFile),
    skipped: few(line.skipped),
    actions: line.actions.map((action) => {
      switch (action.kind) {
        case "stamp":
          return { ...action, from: few(action.from), to: few(action.to) };
        case "upgrade":
          return { ...action, revisions: few(action.revisions) };
        case "widen":
          return action;
      }
    }),
    reason: line.reason && clip(line.reason, most * 100),
    next: few(line.next, most * 100),
  };

  function few(items: readonly string[], longest = Math.max(200, most * 20)): string[] {
    const shown = items.slice(0, most).map((item) => clip(item, longest));
    return items.length <= most ? shown : [...shown, `… ${items.length - most} more`];
  }
}

/** To so many bytes of JSON: a control character takes six. */
function clip(text: string, most: number): string {
  if (bytesOf(text) <= most) return text;
  let clipped = "";
  let bytes = 0;
  for (const character of text) {
    bytes += bytesOf(character);
    if (bytes > most) break;
    clipped += character;
  }
  return `${clipped}…`;
}

function bytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
