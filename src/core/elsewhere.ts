import { type Claim, claimOf, factsOfClaim } from "./claim.ts";
import type { Knowledge } from "./knowledge.ts";
import { factsAt, type OpenLedger } from "./ledger.ts";
import type { Observation, VersionTable } from "./observation.ts";
import { nameOf, sketchOf } from "./sketch.ts";

/** A schema, other than the home, that holds tables of this history. */
export type Place = {
  readonly schema: string;
  /** Their names, sorted. */
  readonly tables: readonly string[];
  /**
   * `rows`: it has a version table of its own with rows of this history, and is another home, such as another tenant's.
   * `unreadable`: it has one whose rows the role may not read.
   */
  readonly claim: "rows" | "unreadable" | "none";
};

/** A table of the home, with the columns that it is made with; one table may be made more than once. */
type MadeTable = { readonly name: string; readonly columns: readonly string[] };

/** The names of all tables that this history may have made in its home, whichever that is. */
export function tableNames(knowledge: Knowledge): readonly string[] {
  return [...new Set(tablesEverMade(knowledge).map(({ name }) => name))].sort();
}

/** Other schemas that hold tables of this history. Empty where nobody asked. */
export function placesOf(knowledge: Knowledge, observation: Observation): readonly Place[] {
  const { elsewhere, home } = observation;
  if (elsewhere === null) return [];
  const made = tablesEverMade(knowledge);
  const found = new Map<string, string[]>();
  for (const table of elsewhere.tables) {
    if (table.schema === home.schema || knowledge.platformSchemas.has(table.schema)) continue;
    if (made.some((each) => each.name === table.name && holds(table.columns, each)))
      found.set(table.schema, [...(found.get(table.schema) ?? []), table.name]);
  }
  return [...found].map(([schema, tables]) => ({
    schema,
    tables: [...new Set(tables)].sort(),
    claim: claimOn(schema),
  }));

  function claimOn(schema: string): Place["claim"] {
    const tables = observation.otherVersionTables.filter((table) => table.schema === schema);
    if (tables.some((table) => rowsOfThisHistory(knowledge, table).length > 0)) return "rows";
    return tables.some(({ unreadable }) => unreadable === "permission") ? "unreadable" : "none";
  }
}

/**
 * Of other places, those that keep what is absent at home from being taken for gone. Another home's objects are its own, as
 * long as somebody said which home is meant. A tenant's role may not read the others' tables, and its first start must not
 * fail for it; but nothing is taken back on a table that nobody could read.
 */
export function placesInDoubt(
  { knowledge, observation }: { readonly knowledge: Knowledge; readonly observation: Observation },
  conclusion: "fresh" | "taken back",
): readonly Place[] {
  const places = placesOf(knowledge, observation);
  if (!isChosen(observation)) return places;
  return places.filter(
    ({ claim }) => claim === "none" || (claim === "unreadable" && conclusion === "taken back"),
  );
}

/**
 * Somebody chose the home for this very database or role: by a setting, by the session's own search_path, or by giving a
 * schema the role's name. A default that holds for everybody chooses nothing.
 */
export function isChosen({ home, role, elsewhere }: Observation): boolean {
  if (home.by === "setting") return true;
  if (role.hasUserInPath && home.schema === role.name) return true;
  return chosenBy.has(elsewhere?.pathSource ?? "default");
}

/** `pg_settings.source`. A pooler sets in the session what its client asked for. */
const chosenBy: ReadonlySet<string> = new Set(["client", "user", "database user", "session"]);

/** Rows that this history knows. Numbers are everybody's: of numbered files the text must be the same as well. */
export function rowsOfThisHistory(
  { history, ledger, digests }: Knowledge,
  table: VersionTable,
): readonly string[] {
  return (table.rows ?? []).flatMap((row) => {
    if (row === null) return [];
    const isOurs =
      history.revisions.has(row) || (digests.size === 0 && ledger?.revisions.has(row) === true);
    return isOurs && table.digests.get(row) === digests.get(row) ? [row] : [];
  });
}

/**
 * Whether a schema holds at least half of the tables that a version table's rows promise, were it their home. Rows that
 * promise none contradict nothing.
 */
export function isLive(
  knowledge: Knowledge,
  { elsewhere }: Observation,
  table: VersionTable,
  home: string,
): boolean {
  const promised = promisedTables(
    knowledge,
    claimOf(knowledge.history, rowsOfThisHistory(knowledge, table)),
  );
  const there = (elsewhere?.tables ?? []).filter(({ schema }) => schema === home);
  const held = promised.filter((each) =>
    there.some(({ name, columns }) => name === each.name && holds(columns, each)),
  );
  return held.length * 2 >= promised.length;
}

function promisedTables({ history, ledger }: Knowledge, claim: Claim): readonly MadeTable[] {
  const facts = ledger && factsOfClaim(ledger, history, claim);
  if (facts !== null && ledger !== null) return tablesAtHome(ledger, facts);
  const home = "";
  return [...sketchOf(history, claim.heads, home)].flatMap(([table, columns]) =>
    table.startsWith(`${home}.`) ? [{ name: table.slice(1), columns: [...columns] }] : [],
  );
}

function tablesEverMade({ history, ledger }: Knowledge): readonly MadeTable[] {
  if (ledger !== null) return ledger.states.flatMap(({ added }) => tablesAtHome(ledger, added));
  return [...history.revisions.values()].flatMap(({ sketch }) =>
    sketch.flatMap((step) =>
      step.kind === "create-table" && step.table.schema === null
        ? [{ name: step.table.name, columns: step.columns }]
        : [],
    ),
  );
}

function tablesAtHome(ledger: OpenLedger, positions: Iterable<number>): readonly MadeTable[] {
  const atHome = [...positions].filter((at) => ledger.inHome[at]);
  const facts = factsAt(ledger, atHome);
  const columns = new Map<string, string[]>();
  for (const { kind, object, name } of facts)
    if (kind === "column") columns.set(object, [...(columns.get(object) ?? []), name]);
  return facts
    .filter(({ kind }) => kind === "table" || kind === "partition" || kind === "ftable")
    .map(({ object }) => ({ name: nameOf(object), columns: columns.get(object) ?? [] }));
}

/** A table with less than half of the columns is another one of the same name. */
function holds(columns: readonly string[], made: MadeTable): boolean {
  return (
    made.columns.filter((column) => columns.includes(column)).length * 2 >= made.columns.length
  );
}
