import type { Knowledge } from "./knowledge.ts";
import type { Observation } from "./observation.ts";
import { dirtyTable, interruption, invalidIndexes } from "./partial.ts";
import { type Situation, situate, unknown } from "./situation.ts";
import { pastInDoubt, rowsInDoubt } from "./spelling.ts";
import { withUnknownRows, underOtherNumbers } from "./unknown-rows.ts";
import type { Verdict } from "./verdict.ts";
import { nameTable } from "./version-table.ts";
import { withRows } from "./with-rows.ts";
import { withoutRows } from "./without-rows.ts";
import { enumerate } from "./words.ts";

/** A verdict for every history, ledger and observation. Total, and never throws. */
export function diagnose(knowledge: Knowledge, observation: Observation): Verdict {
  const situation = situate(knowledge, observation);
  return (
    othersTable(situation) ??
    numbersInDoubt(situation) ??
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

/** A row of an unknown file is neither the past nor pending: whatever is concluded from it could run a file twice. */
function numbersInDoubt(situation: Situation): Verdict | null {
  const { history, rows, claim } = situation;
  const inDoubt = [...rowsInDoubt(history, rows), ...pastInDoubt(history, claim)];
  if (inDoubt.length === 0) return null;
  const told = inDoubt.map(({ row, ids }) => {
    const files = ids.map((id) => history.revisions.get(id)!.file);
    return `row ${row} may be of ${files.join(" or of ")}`;
  });
  const why = `several files have one number, and neither the name nor the text that the row keeps says which of them ran: ${enumerate(told)}`;
  return {
    ...unknown(
      situation,
      inDoubt.map(({ row }) => row),
      why,
    ),
    inDoubt,
  };
}
