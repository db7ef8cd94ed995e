import { referredIn } from "./extras.ts";
import { type Fact, parentsIn, takenNames } from "./facts.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Revision } from "./revision.ts";
import { nameOf } from "./sketch.ts";

type LibraryTables = {
  readonly library: string;
  /** Of tables, and of what it makes beside them. */
  readonly names: RegExp;
  /** A table has all of these: where others have such names, too. */
  readonly columns?: readonly string[];
};

/**
 * What libraries make in an application's schema when they start: THE table. No revision makes it, it comes before the first one
 * or after the last, and it says nothing of where a database stands. As real versions were seen to make it: test/scenarios/libraries.sql.
 */
const libraries: readonly LibraryTables[] = [
  { library: "APScheduler", names: /^apscheduler_jobs$/ },
  { library: "Casbin", names: /^casbin_rule$/ },
  { library: "Celery", names: /^(?:celery_task(?:set)?meta|task(?:set)?_id_sequence)$/ },
  {
    library: "connect-pg-simple",
    names: /^session$/,
    columns: ["sid", "sess", "expire"],
  },
  {
    library: "Flask-Session",
    names: /^sessions$/,
    columns: ["id", "session_id", "data", "expiry"],
  },
  { library: "LangChain", names: /^langchain_pg_(?:collection|embedding)$/ },
  {
    library: "LangGraph",
    names: /^checkpoint(?:s|_blobs|_writes)$/,
    columns: ["thread_id", "checkpoint_ns"],
  },
  { library: "LangGraph", names: /^checkpoint_migrations$/, columns: ["v"] },
  {
    library: "LlamaIndex",
    names: /^data_/,
    columns: ["id", "text", "metadata_", "node_id", "embedding"],
  },
  { library: "PgQueuer", names: /^(?:fn_)?pgqueuer(?:_|$)/ },
  { library: "procrastinate", names: /^procrastinate_/ },
];

/** As docs/supported.md lists them. */
export const libraryNames: readonly string[] = [
  ...new Set(libraries.map(({ library }) => library)),
];

/**
 * The facts without those of libraries' own tables. What the history makes itself stays, whoever else would make it, and so does what
 * reaches out of such a table: a foreign key, or its place among the children of another one.
 */
export function withoutLibraries(knowledge: Knowledge, facts: readonly Fact[]): readonly Fact[] {
  const suspects = new Set(
    facts.filter(({ object }) => couldBeLibrarys(object)).map(({ object }) => object),
  );
  if (suspects.size === 0) return facts;
  const isOurs = ownedBy(knowledge);
  for (const fact of facts)
    if (isOurs(fact) || parentsIn(fact).length > 0) suspects.delete(fact.object);
  for (const object of suspects) if (!isLibrarys(object, facts)) suspects.delete(object);
  return facts.filter((fact) => {
    const { object, kind, definition } = fact;
    const [, owner = object] =
      kind === "sequence" && !isOurs(fact) ? (/ OWNED BY (.*)\.[^.]*$/.exec(definition) ?? []) : [];
    const referred = kind === "constraint" ? referredIn(definition) : "";
    return (
      !(suspects.has(object) || suspects.has(owner)) || !(referred === "" || suspects.has(referred))
    );
  });
}

function couldBeLibrarys(object: string): boolean {
  return libraries.some(({ names }) => names.test(bareName(object)));
}

function isLibrarys(object: string, facts: readonly Fact[]): boolean {
  const columns = facts.filter((fact) => fact.kind === "column" && fact.object === object);
  const name = bareName(object);
  return libraries.some(
    (each) =>
      each.names.test(name) &&
      (each.columns ?? []).every((column) => columns.some((fact) => fact.name === column)),
  );
}

/** A function's object has its arguments, too. */
function bareName(object: string): string {
  return nameOf(object.replace(/\(.*$/s, ""));
}

/** Whether the history makes a thing of this name, in any of its states, or by the text of a file that no ledger knows. */
function ownedBy({ history, ledger, lacking }: Knowledge): (fact: Fact) => boolean {
  const unbaked =
    ledger === null
      ? [...history.revisions.values()]
      : lacking.flatMap((id) => history.revisions.get(id) ?? []);
  const named = new Set(unbaked.flatMap(tablesNamedIn));
  // Of files that show no table at all, nobody knows what they make.
  if (ledger === null && named.size === 0) return () => true;
  const objects = new Set(ledger?.facts.map(({ object }) => object));
  const taken = new Set(ledger?.facts.flatMap(takenNames));
  return (fact) =>
    named.has(bareName(fact.object)) ||
    objects.has(fact.object) ||
    takenNames(fact).some((name) => taken.has(name));
}

function tablesNamedIn({ sketch }: Revision): readonly string[] {
  return sketch.flatMap((step) =>
    step.kind === "rename-table" ? [step.table.name, step.to] : [step.table.name],
  );
}
