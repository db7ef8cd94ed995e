import { refuse } from "../core/refusals.ts";
import type { Step } from "../core/step.ts";
import { describeStep, enumerate } from "../core/words.ts";
import type { Assessment } from "./assess.ts";
import { type Context, type Ending, ready } from "./context.ts";
import { endRefused, sayRefusal, sayStart } from "./events.ts";

/** @param done by this run, before the look that is concluded from */
export function conclude(
  assessment: Assessment,
  done: "nothing" | "something",
  context: Context,
): Ending {
  noteRows(assessment, context);
  const { plan, verdict } = assessment;
  if (plan.kind === "refuse")
    return done === "nothing"
      ? endRefused(plan, context)
      : endRefused(refuse("not-proved", `${verdict.kind}: ${plan.reason}`, plan.next), context);
  sayStart(assessment, context);
  if (done === "nothing") {
    const msg = "somebody else has done it: the database is at head";
    context.log({ level: "info", event: "proved", msg });
    return ready;
  }
  const { status, lacking } = assessment.knowledge;
  if (verdict.kind !== "broken-history" && verdict.verified) {
    context.log({
      level: "info",
      event: "proved",
      msg: "done and proved: the database is at head",
    });
    return ready;
  }
  const why =
    status === "stale"
      ? `${lacking.length === 1 ? "one revision is" : `${lacking.length} revisions are`} not in the ledger: ${enumerate(lacking)}`
      : "there is no ledger for this database";
  const reason = `done, not verified: ${why}`;
  context.log({ level: "warn", event: "done.unverified", msg: reason });
  return { ...ready, reason, next: ["run `preflight bake` when the image is built"] };
}

/** Somebody else may have done the work meanwhile: a loser's failure is not a broken state. */
export function concludeFailure(failure: Ending, assessment: Assessment, context: Context): Ending {
  noteRows(assessment, context);
  if (assessment.plan.kind === "start") {
    const msg = `${failure.reason}; yet the database is at head`;
    context.log({ level: "warn", event: "upgrade.failed-at-head", msg });
    return ready;
  }
  const ending = withWhatIsLeft(failure, assessment);
  sayRefusal(ending, context.log);
  return ending;
}

/** What made it fail may pass by itself; what it left half-way will not. */
function withWhatIsLeft(failure: Ending, { plan, verdict }: Assessment): Ending {
  if (verdict.kind !== "partial") return failure;
  const outcome = "migration-failed";
  // Of an interrupted file the failure itself says how it goes on; a program is not simply to be run again.
  const isOnlyRunAgain = failure.outcome === "temporary" && verdict.left.kind !== "interrupted";
  const next = isOnlyRunAgain ? [] : failure.next;
  if (plan.kind !== "refuse") {
    const way = "mend the cause, then go on from there: preflight run --resume";
    return { ...failure, outcome, next: [...next, way] };
  }
  // Of an interrupted file the failure itself has said so.
  const left =
    verdict.left.kind === "interrupted" ? "" : `. It left the database half-way: ${plan.reason}`;
  return {
    outcome,
    reason: `${failure.reason}${left}`,
    next: [...next, ...plan.next],
  };
}

/** What one round was to do is what the next one would do again. */
export function stillToDo(
  steps: readonly Step[],
  { knowledge }: Assessment,
  context: Context,
): Ending {
  const undone = steps.map((step) => describeStep(step, knowledge.history));
  return endRefused(refuse("still-to-do", undone), context);
}

export function noteRows({ verdict }: Assessment, { record }: Context): void {
  if (verdict.kind !== "broken-history") record.recordedAfter = [...verdict.recorded];
}
