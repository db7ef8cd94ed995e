import type { Assumption } from "../core/assume.ts";
import { provenHeads } from "../core/verdict.ts";
import { nameHeads } from "../core/words.ts";
import type { LogEvent } from "../report/log.ts";
import type { Assessment } from "./assess.ts";
import type { Context } from "./context.ts";

/** A person's word is never taken in silence, nor left lying: it would count the next time that nothing is proven. */
export function sayAssumption(assessment: Assessment, { log }: Context): void {
  const { assumption, isPassedOver, plan } = assessment;
  if (assumption === null) return;
  if (isPassedOver) log(passedOver(assumption, assessment));
  else if (plan.kind === "act" && assumption.kind === "holds") log(used(assumption));
}

function passedOver({ revision }: Assumption, { verdict }: Assessment): LogEvent {
  const recorded = verdict.kind === "broken-history" ? [] : verdict.recorded;
  const proven = provenHeads(verdict);
  const at = nameHeads(proven ?? recorded);
  const isProven = "identified" in verdict && proven !== null;
  const how = isProven
    ? `the schema proves that this database is at ${at}`
    : `this database is ${verdict.kind}, at ${at}`;
  return {
    level: "warn",
    event: "assume.passed-over",
    msg: `--assume ${revision} is passed over: it counts only where nothing proves the revision, and ${how}. Take it away (PREFLIGHT_ASSUME, too), before it counts another time`,
  };
}

function used({ revision, checked }: Extract<Assumption, { readonly kind: "holds" }>): LogEvent {
  const { tables, columns } = checked;
  const rests =
    tables === 0
      ? "nothing was checked"
      : `checked was only that what ${revision} needs is there (tables: ${tables}, columns: ${columns}), and no data`;
  return {
    level: "warn",
    event: "assume.used",
    msg: `ON YOUR WORD (--assume ${revision}): nothing proves where this database stands; ${rests}. Take it away afterwards (PREFLIGHT_ASSUME, too)`,
  };
}
