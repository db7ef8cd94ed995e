import type { Knowledge } from "./knowledge.ts";
import type { Observation } from "./observation.ts";
import { dirtyTable, interruption, invalidIndexes } from "./partial.ts";
import { type Situation, situate, unknown } from "./situation.ts";
import { withUnknownRows, underOtherNumbers } from "./unknown-rows.ts";
import type { Verdict } from "./verdict.ts";
import { nameTable } from "./version-table.ts";
import { withRows } from "./with-rows.ts";
import { withoutRows } from "./without-rows.ts";

/** A verdict for every history, ledger and observation. Total, and never throws. */
export function diagnose(knowledge: Knowledge, observation: Observation): Verdict {
  const situation = situate(knowledge, observation);
  return (
    othersTable(situation) ??
    dirtyTable(situation, situation.table) ??
    interruption(situation) ??
    underOtherNumbers(situation) ??
    withUnknownRows(situation) ??
    withoutRows(situation) ??
    invalidIndexes(situation) ??
    withRows(situation)
  );
}

function othersTable(situation: Situation): Verdict | null {
  const { table, claim } = situation;
  if (table?.unreadable !== "shape") return null;
  const why = `${nameTable(table)} has not the columns of this tool's version table`;
  return { ...unknown(situation, claim.unknownRows, why), isOthersTable: true };
}
