import { isChosen, isLive, rowsOfThisHistory } from "./elsewhere.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Observation, VersionTable } from "./observation.ts";
import { CannotJudge } from "./outcome.ts";
import { tablesOf, unquoted } from "./sketch.ts";
import { nameTable, type VersionTableName } from "./version-table.ts";
import { enumerate } from "./words.ts";

/**
 * Whether the table that the settings lead to is the one that counts. A table is live where its home holds what its rows
 * promise; a neighbour's rows, or a table that was left behind when the application moved, must not be taken for ours.
 * @param asked how the settings name it
 * @param isNamed a person named it: then it counts
 * @param isHere objects of the history were found where they are expected
 * @returns `config`, naming both; null: nothing speaks against it
 */
export function faultOfVersionTable(
  knowledge: Knowledge,
  observation: Observation,
  asked: VersionTableName,
  isNamed: boolean,
  isHere: boolean,
): CannotJudge | null {
  const { versionTable: chosen, otherVersionTables } = observation;
  const place = observation.home.schema;
  if (isNamed) return null;
  const isOurs = chosen !== null && rowsOfThisHistory(knowledge, chosen).length > 0;
  const isChosenLive = isOurs && live(chosen);
  const rivals = otherVersionTables.filter(
    (table) => rowsOfThisHistory(knowledge, table).length > 0 && isRival(table) && live(table),
  );
  if (rivals.length === 0)
    return chosen !== null && !isOurs ? faultOfTexts(knowledge, observation, chosen) : null;
  // Several other homes, and nothing of it here: that nobody said which is meant is the whole answer.
  if (!isChosenLive && rivals.length > 1 && !isHere) return null;
  const ours = nameTable(chosen ?? { schema: asked.schema ?? place, name: asked.name });
  const theirs = rivals.map(nameTable).join(", ");
  return new CannotJudge(
    "config",
    `${theirs} ${rivals.length === 1 ? "holds" : "hold"} revisions of this history, and their tables are there; ${describeChosen()}`,
    [
      ...rivals.map((table) => `if this one counts: ${wayTo(table)}`),
      `if ${ours} counts: --version-table ${ours}`,
    ],
  );

  function describeChosen(): string {
    if (chosen === null) return `there is no version table ${ours}`;
    if (isChosenLive) return `so it is with ${ours}`;
    const rows = (chosen.rows ?? []).map((row) => row ?? "NULL");
    if (rows.length === 0) return `${ours} is empty`;
    return isOurs
      ? `${ours}, which the search_path leads to, says ${rows.join(", ")}, and the tables of that are not in schema ${place}`
      : `${ours}, which the search_path leads to, says ${rows.join(", ")}, which this history does not have`;
  }

  /** A table of the usual name in another home is reached by that. */
  function wayTo(table: VersionTable): string {
    return table.name === asked.name && homeOf(table) !== place
      ? `--schema ${table.schema}`
      : `--version-table ${nameTable(table)}`;
  }

  function live(table: VersionTable): boolean {
    return isLive(knowledge, observation, table, homeOf(table));
  }

  /** The schema that it stands in, unless that holds nothing but version tables: then it may be ours that stands apart. */
  function homeOf({ schema }: VersionTable): string {
    const isApart =
      schema === chosen?.schema ||
      observation.elsewhere?.tables.every((each) => each.schema !== schema) === true;
    return isApart ? place : schema;
  }

  /**
   * Beside a table that is well, only one of the same schema. Otherwise any, unless a chosen home has just no rows yet:
   * then the others are other homes'.
   */
  function isRival(table: VersionTable): boolean {
    if (table.schema === (chosen?.schema ?? place)) return true;
    if (isChosenLive) return false;
    return isOurs || homeOf(table) === place || !isChosen(observation);
  }
}

/**
 * Numbers are everybody's. Where not one of the texts is ours, and others have tables here too, the table may be theirs: with what
 * we add, their program would find versions that it never had.
 */
function faultOfTexts(
  { digests, ledger }: Knowledge,
  { facts, home }: Observation,
  table: VersionTable,
): CannotJudge | null {
  const rows = (table.rows ?? []).filter(
    (row) => row !== null && digests.has(row) && table.digests.has(row),
  );
  const known = new Set(ledger?.facts.map(({ object }) => unquoted(object)));
  const others = [...tablesOf(facts).keys()].filter(
    (name) => name.startsWith(`${home.schema}.`) && !known.has(name),
  );
  if (ledger === null || rows.length === 0 || others.length === 0) return null;
  return new CannotJudge(
    "config",
    `${nameTable(table)} says ${rows.join(", ")}, with other texts than the files of this image have, and beside it are tables of others (${enumerate(others, 3)}): it may be another application's`,
    [
      `if it is another's: give this history a table of its own, --version-table ${table.schema}.NAME`,
      `if it is this history's, and its files were edited: --version-table ${nameTable(table)}`,
    ],
  );
}
