import { z } from "zod";
import { type Outcome, outcomes } from "../core/outcome.ts";
import { verdictKinds } from "../core/verdict.ts";

const names = z.array(z.string());
const exitCode = z.int().min(0).max(255);

/** The stable, versioned contract of the last line of every run; the published JSON schema is made from it. */
export const verdictLine = z
  .object({
    v: z.literal(1),
    verdict: z
      .enum(verdictKinds)
      .nullable()
      .describe("the first diagnosis; null where nothing was looked at"),
    outcome: z.enum(Object.keys(outcomes) as [Outcome, ...Outcome[]]),
    exit: exitCode,
    wouldExit: exitCode
      .nullable()
      .describe("with --enforce off: the exit code without it; null: it is on"),
    tool: z.string().nullable(),
    recorded: names
      .nullable()
      .describe("the version rows seen at first; of sql and supabase the newest"),
    proven: names
      .nullable()
      .describe("the heads of the state that the facts equal; null: none, or not compared"),
    actions: z
      .array(
        z.discriminatedUnion("kind", [
          z.object({
            kind: z.literal("stamp"),
            from: names,
            to: names,
            because: z.enum(["proven", "assumed", "asked"]),
          }),
          z.object({ kind: z.literal("undo"), entry: z.int(), from: names, to: names }),
          z.object({ kind: z.literal("widen"), to: z.int() }),
          z.object({
            kind: z.literal("repair"),
            to: names,
            statements: z.int(),
            left: z.int().describe("what only a person can do"),
          }),
          z.object({ kind: z.literal("upgrade"), revisions: names }),
        ]),
      )
      .describe("what was done; by check and with --enforce off: what run would do"),
    recordedAfter: names.nullable().describe("the version rows at the end"),
    withoutFile: names.describe(
      "sql and supabase: applied versions, older than the newest, that have no file",
    ),
    skipped: names.describe(
      "where each file has a row: files that come before an applied one, and are not applied",
    ),
    ledger: z.enum(["verified", "absent", "stale"]).nullable(),
    drift: z.object({ missing: z.int(), changed: z.int(), extra: z.int() }),
    reason: z
      .string()
      .nullable()
      .describe(
        "what was seen and what it means, when not ready; with --enforce off, when it would not have been",
      ),
    next: names.describe("what a person can do about the reason"),
    waitedMs: z.int().describe("waiting for the database"),
    lockWaitMs: z.int().describe("waiting for the lock"),
    actedMs: z.int().describe("stamping, upgrading and repairing"),
    server: z.string().nullable().describe("PostgreSQL's version, such as 15.18"),
    runId: z.string(),
  })
  .meta({ title: "Preflight verdict line" });

export type VerdictLine = z.infer<typeof verdictLine>;
