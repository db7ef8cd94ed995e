import { commitInParts } from "./data-migrations.ts";
import { type Fact, type FactKind, isRelation, schemaOf } from "./facts.ts";
import * as grants from "./grants.ts";
import type { Knowledge } from "./knowledge.ts";
import { changeOf, factsAt } from "./ledger.ts";
import { progressTable } from "./migration.ts";
import type { Observation } from "./observation.ts";
import { CannotJudge } from "./outcome.ts";
import { widthFor } from "./plan.ts";
import { quoteIdentifier } from "./quote.ts";
import type { Step } from "./step.ts";
import { nameTable, type VersionTableName, versionTableOf } from "./version-table.ts";

/** A right that a step needs and the role has not, with the SQL that gives it. */
type Lack = { readonly what: string; readonly grant: string };

/** What is to be done, where, with what the image knows. */
export type Task = {
  readonly observation: Observation;
  readonly knowledge: Knowledge;
  readonly versionTable: VersionTableName;
  readonly steps: readonly Step[];
};

/** With the schema of the version table, now or when it is made. */
type TaskAt = Task & { readonly home: string };

/**
 * What the steps will need and the role has not, all of it, as far as it is seen without side effects.
 * Who owns the tables that a migration alters is not looked at: that is known to the migration alone.
 * @returns `permission`; `config` where no schema is there to work in, or only a temporary one; `unavailable` where
 * nobody may write; null: nothing is lacking
 */
export function lackOfActing(task: Task): CannotJudge | null {
  const { role } = task.observation;
  const isReadOnly = lackOfWriting(task.observation);
  if (isReadOnly !== null) return isReadOnly;
  if (isHomeTemporary(task.observation))
    return new CannotJudge(
      "config",
      `pg_temp comes first in the search_path of role ${role.name} (${role.searchPath.join(", ")}): what a migration creates would be temporary`,
      ["put the schema of the tables first (ALTER ROLE … SET search_path = public)"],
    );
  const home = homeOf(task);
  if (home === null) return nowhereToCreate(task.observation);
  const at = { ...task, home };
  const lacks = [...lackingForVersionTable(at), ...lackingForUpgrade(at)];
  if (lacks.length === 0) return null;
  return new CannotJudge(
    "permission",
    `role ${role.name} ${[...new Set(lacks.map(({ what }) => what))].join("; it ")}`,
    [
      ...new Set(lacks.map(({ grant }) => grant)),
      "or let a role that has these rights run preflight, and let this application only `preflight check`",
    ],
  );
}

/** Null: the server takes writes. */
export function lackOfWriting(observation: Observation): CannotJudge | null {
  return observation.server.readOnly ? readOnly(observation) : null;
}

/**
 * A role or an address that is read-only stays so until a person changes it. A database or a server may be so for a while, as where a
 * disk is full.
 */
function readOnly({ server, role }: Observation): CannotJudge {
  const { database, readOnlyBy } = server;
  const setting = "default_transaction_read_only";
  const because = (where: string): string =>
    `the database must be changed, and transactions are read-only here: ${where} has ${setting} on`;
  switch (readOnlyBy) {
    case "user":
      return new CannotJudge("permission", because(`role ${role.name}`), [
        `connect as another role, or: ALTER ROLE ${quoteIdentifier(role.name)} RESET ${setting}`,
      ]);
    case "database user":
      return new CannotJudge("permission", because(`role ${role.name} in database ${database}`), [
        `connect as another role, or: ALTER ROLE ${quoteIdentifier(role.name)} IN DATABASE ${quoteIdentifier(database)} RESET ${setting}`,
      ]);
    case "client":
    case "session":
      return new CannotJudge("permission", because("the address (options, PGOPTIONS)"), [
        `take ${setting} out of it`,
      ]);
    case "database":
      return new CannotJudge("unavailable", because(`database ${database}`), [
        `find out why (a full disk?), then: ALTER DATABASE ${quoteIdentifier(database)} RESET ${setting}`,
      ]);
    default:
      return new CannotJudge("unavailable", because("the server"), [
        "find out why (a full disk, a primary that is being switched?), or name the primary",
      ]);
  }
}

/** Everything would seem to be done, and be gone with the session that did it. */
function isHomeTemporary({ role, home }: Observation): boolean {
  if (home.by !== "path") return false;
  const first = role.searchPath.find(
    (schema) => schema === "pg_temp" || role.schemas[schema] !== undefined,
  );
  return first === "pg_temp";
}

function lackingForVersionTable({ observation, knowledge, steps, home }: TaskAt): readonly Lack[] {
  const { role, versionTable } = observation;
  if (versionTable === null) return lackingToCreate(home, observation);
  const name = nameTable(versionTable);
  const lacks: Lack[] = [];
  if (!versionTable.canWrite)
    lacks.push({
      what: `may not write the version table ${name}`,
      grant: grants.grantWrite(versionTable, role.name),
    });
  if (versionTable.isGuarded)
    lacks.push({
      what: `may not write every row of the version table ${name}: row security is at work there`,
      grant: grants.letThroughRowSecurity(versionTable, role.name, "everything"),
    });
  const width = neededWidth(knowledge, steps);
  if (!versionTable.owned && versionTable.width !== null && versionTable.width < width)
    lacks.push({
      what: `does not own the version table ${name}, whose column is too narrow (${versionTable.width} characters) and must be altered`,
      grant: grants.widen(versionTable, knowledge.history.tool.versionTable.version, width),
    });
  return lacks;
}

/** Characters that a step will make of the version column; 0: none touches it. */
function neededWidth({ history }: Knowledge, steps: readonly Step[]): number {
  if (history.tool.versionTable.width === null) return 0;
  const isStamped = steps.some(({ kind }) => kind === "stamp" || kind === "widen");
  return isStamped ? widthFor(history) : 0;
}

function lackingForUpgrade({ observation, knowledge, steps, home }: TaskAt): readonly Lack[] {
  const pending = steps.flatMap((step) => (step.kind === "upgrade" ? step.revisions : []));
  if (pending.length === 0) return [];
  const { role, canWriteProgress } = observation;
  const { history, ledger } = knowledge;
  const lacks: Lack[] = [];
  const noted =
    history.tool.appliedBy === "preflight"
      ? pending.filter((id) => history.revisions.get(id)?.isAtomic === false)
      : commitInParts(knowledge, pending);
  if (noted.length > 0) {
    if (canWriteProgress === null) lacks.push(...lackingToCreate(home, observation));
    if (canWriteProgress === false)
      lacks.push({
        what: `may not write ${home}.${progressTable}`,
        grant: grants.grantWrite({ schema: home, name: progressTable }, role.name),
      });
  }
  const changes = pending.map((id) => ledger && changeOf(ledger, history, id));
  // What the ledger does not know is assumed to be as usual.
  if (ledger === null || changes.includes(null))
    return [...lacks, ...lackingToCreate(home, observation)];
  const positions = changes.flatMap((change) => change?.added ?? []);
  const added = factsAt(ledger, positions);
  const made = new Set(added.filter(({ kind }) => kind === "schema").map(({ object }) => object));
  const homes = new Set(added.filter(isCreated).map(schemaOf));
  for (const schema of homes)
    if (schema !== null && !made.has(schema) && role.schemas[schema] !== undefined)
      lacks.push(...lackingToCreate(schema, observation));
  if (added.some(needsDatabase) && !role.canCreateSchema) lacks.push(lackOfDatabase(observation));
  return lacks;

  function needsDatabase({ kind, object }: Fact): boolean {
    if (kind === "schema") return role.schemas[object] === undefined;
    return (
      kind === "extension" &&
      !observation.facts.some((fact) => fact.kind === "extension" && fact.object === object)
    );
  }
}

/** What PostgreSQL asks CREATE on the schema for: also replacing a view or a function, and what an index serves. */
function isCreated(fact: Fact): boolean {
  const { kind, definition } = fact;
  if (kind === "constraint") return /^(?:PRIMARY KEY|UNIQUE|EXCLUDE)/.test(definition);
  if (kind === "column") return definition.includes("IDENTITY ");
  return isRelation(fact) || createdBesides.includes(kind);
}

const createdBesides: readonly FactKind[] = [
  "viewdef",
  "index",
  "sequence",
  "enum",
  "domain",
  "range",
  "type",
  "function",
  "procedure",
  "aggregate",
  "statistics",
];

/** A schema that is not there yet is made with what will be in it. */
function lackingToCreate(schema: string, observation: Observation): readonly Lack[] {
  const { role } = observation;
  const rights = role.schemas[schema];
  if (rights === undefined) return role.canCreateSchema ? [] : [lackOfDatabase(observation)];
  if (rights.canCreate && rights.canUse) return [];
  return [
    {
      what: `may not create tables in schema ${schema}${schema === "public" ? " (since PostgreSQL 15 not everybody may)" : ""}`,
      grant: grants.grantCreate({ schema }, role.name),
    },
  ];
}

function lackOfDatabase({ role, server }: Observation): Lack {
  return {
    what: `may not create schemas or extensions in database ${server.database}`,
    grant: grants.grantCreateSchema(server.database, role.name),
  };
}

/** null: it is left to the search path, and of that nothing exists. */
function homeOf({ observation, versionTable }: Task): string | null {
  const { role, home } = observation;
  const isNamed = observation.versionTable !== null || versionTable.schema !== null;
  if (isNamed || home.by !== "path" || role.schemas[home.schema] !== undefined)
    return versionTableOf(observation, versionTable).schema;
  return role.searchPath.find((schema) => role.schemas[schema] !== undefined) ?? null;
}

function nowhereToCreate({ server, role }: Observation): CannotJudge {
  return new CannotJudge(
    "config",
    `the search_path of role ${role.name} is ${role.searchPath.length === 0 ? "empty" : role.searchPath.join(", ")}, and database ${server.database} has no such schema: nothing can be created there`,
    [
      "create the schema, or give the role a search_path that exists (ALTER ROLE … SET search_path = public)",
    ],
  );
}

/** Rows that are there and were not shown would be taken for no rows. null: all is seen. */
export function lackOfReading(observation: Observation, wanted: string): CannotJudge | null {
  const { otherVersionTables, role, server } = observation;
  // A schema without USAGE is not on the effective search path: where none is left, its table looks like another's.
  const table =
    observation.versionTable ??
    (server.searchPath.length === 0
      ? otherVersionTables.find(({ name }) => name === wanted)
      : undefined);
  if (table?.unreadable !== "permission") return null;
  const name = nameTable(table);
  if (table.canRead)
    return new CannotJudge(
      "permission",
      `row security may hide rows of the version table ${name} from role ${role.name}`,
      [grants.letThroughRowSecurity(table, role.name, "reads")],
    );
  const canUse = role.schemas[table.schema]?.canUse ?? false;
  return new CannotJudge("permission", `role ${role.name} may not read the version table ${name}`, [
    ...(canUse ? [] : [grants.grantUse(table, role.name)]),
    grants.grantRead(table, role.name),
  ]);
}
