import { setTimeout as pause } from "node:timers/promises";
import { type Fact, placeKey, withoutStorage } from "../core/facts.ts";
import { type Progress, progressTable } from "../core/migration.ts";
import type {
  Elsewhere,
  Home,
  Observation,
  Role,
  Server,
  VersionTable,
} from "../core/observation.ts";
import { Busy, CannotJudge } from "../core/outcome.ts";
import { quoteIdentifier, quoteQualified } from "../core/quote.ts";
import { schemasOfPath } from "../core/search-path.ts";
import type { TableName } from "../core/version-table.ts";
import { whenOtherIsDone } from "../core/ways-out.ts";
import { readReadOnlyForRole } from "./connect.sql.ts";
import type { Database, Row } from "./database.ts";
import { cannotGoOn, codeOf, throwCannotGoOn } from "./errors.ts";
import { evaluatedMessage } from "./extras.sql.ts";
import type { FactsOptions } from "./facts.sql.ts";
import {
  elsewhereMessage,
  lookMessage,
  lookPathMessage,
  lookRowsMessage,
  readStart,
  type WantedTable,
} from "./look.sql.ts";

export type LookOptions = {
  /** Schema null: in the home, or where the role's search path finds it first. */
  readonly versionTable: WantedTable;
  /** The schema that the history lives in; null: the search path decides. */
  readonly home?: string | null;
  /** Schemas whose facts count; null: every user schema. */
  readonly scope: FactsOptions["scope"];
  /** Relations that are no facts, besides the version table and every known tool's. */
  readonly ignoreRelations?: FactsOptions["ignoreRelations"];
  /** Milliseconds to wait for a lock on a version table or an object that another session holds. */
  readonly patience?: number;
};

/** What a replica that waits for the lock needs to know. */
export type RowsSeen = { readonly server: Server; readonly versionTable: VersionTable | null };

const defaultPatience = 10_000;
const attempts = 3;

/**
 * One read-only look at the database, in one round trip. Throws CannotJudge: `temporary` when others hold locks for
 * longer than `patience` or keep changing the schema, `permission`, or what else kept it from seeing.
 */
export async function look(db: Database, options: LookOptions): Promise<Observation> {
  const seen = await lookAt(db, options);
  const { home, versionTable } = seen;
  const isLeftToPath = (options.home ?? null) === null && options.versionTable.schema === null;
  if (!isLeftToPath || versionTable === null || versionTable.schema === home.schema) return seen;
  // The table is found in a later schema of the path than the one where CREATE goes: its own is where the history lives.
  const there = await lookAt(db, { ...options, home: versionTable.schema });
  return { ...there, home: { ...there.home, by: "table" } };
}

async function lookAt(db: Database, options: LookOptions): Promise<Observation> {
  const { versionTable, scope, ignoreRelations = [], patience = defaultPatience } = options;
  const named = options.home ?? null;
  const roles = scope?.rights ?? null;
  const facts: FactsOptions = {
    scope,
    rare: scope?.rare === true,
    rights: roles === null ? "none" : { heldBy: roles },
    ignoreRelations: [...ignoreRelations, versionTable],
  };
  const message = lookMessage(versionTable, named, facts, patience);
  return untilSteady(db, message, (answers) => {
    const [, servers, tables, neighbours, progress, tools, building, found, ...after] = answers;
    if (JSON.stringify([tables, progress]) !== JSON.stringify(after)) return null;
    if (found === undefined || found.some(({ d }) => d === null)) return null;
    const { server, role, home: at } = readServer(servers);
    const candidates = readTables(tables);
    const chosen = chooseTable(candidates, versionTable, named, server.searchPath);
    const home = chosen?.schema ?? versionTable.schema ?? at.schema;
    return {
      server,
      role: {
        ...role,
        // A schema that is not there yet is made with the table.
        canCreate: role.schemas[home]?.canCreate ?? role.canCreateSchema,
      },
      home: { ...at, by: named === null ? "path" : "setting" },
      elsewhere: null,
      rows: null,
      journal: null,
      versionTable: chosen,
      otherVersionTables: candidates.filter((one) => one !== chosen),
      neighbours: readNeighbours(neighbours),
      progress: readProgress(progress, { schema: home, name: versionTable.name }, role.name),
      canWriteProgress: canWriteProgress(progress, home),
      otherTools: readTools(tools, chosen),
      facts: (found as readonly FactRow[]).map(readFact),
      buildingIndexes: (building ?? []).map(({ index }) => String(index)),
    };
  });
}

/** The version rows alone: cheap enough to poll. Throws like `look`. */
export async function lookRows(
  db: Database,
  options: Pick<LookOptions, "versionTable" | "home" | "patience">,
): Promise<RowsSeen> {
  const { versionTable, home = null, patience = defaultPatience } = options;
  return untilSteady(db, lookRowsMessage(versionTable, patience), ([, servers, tables]) => {
    const { server } = readServer(servers);
    return {
      server,
      versionTable: chooseTable(readTables(tables), versionTable, home, server.searchPath),
    };
  });
}

/** Where tables of these names are, in any schema of users. Throws like `look`. */
export async function lookElsewhere(db: Database, names: readonly string[]): Promise<Elsewhere> {
  return untilSteady(db, elsewhereMessage(names, defaultPatience), ([paths, tables]) => {
    const [path] = (paths ?? []) as readonly { readonly source: string }[];
    return {
      pathSource: path?.source ?? "default",
      tables: (tables ?? []) as unknown as Elsewhere["tables"],
    };
  });
}

/** What PostgreSQL evaluates for these facts whenever a row is written, by `placeKey`. Throws like `look`. */
export async function lookAtExtras(
  db: Database,
  facts: readonly Fact[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  return untilSteady(db, evaluatedMessage(facts, defaultPatience), ([rows]) => {
    const evaluated = (rows ?? []) as readonly (FactRow & {
      readonly evaluates: readonly string[];
    })[];
    return new Map(evaluated.map((row) => [placeKey(readFact(row)), row.evaluates]));
  });
}

/** Where CREATE goes in this session. Throws like `look`. */
export async function lookPath(
  db: Database,
): Promise<{ readonly server: Server; readonly role: string; readonly createsIn: string | null }> {
  return untilSteady(db, lookPathMessage(defaultPatience), ([, servers]) => {
    const { server, role, home } = readServer(servers);
    return { server, role: role.name, createsIn: home.createsIn };
  });
}

/** When the server started: which one it is. Nobody's lock is in the way. Throws CannotJudge. */
export async function lookStart(db: Database): Promise<Pick<Server, "startedAt">> {
  const asked = db.query<Pick<Server, "startedAt">>(readStart);
  const [row] = await asked.catch(throwCannotGoOn("asking which server it is"));
  return row ?? { startedAt: "" };
}

type Answer = readonly Row[] | undefined;
type Answers = readonly (readonly Row[])[];

/** Reads until nothing changed under its hands; `read` gives null when something did. */
async function untilSteady<T>(
  db: Database,
  message: string,
  read: (answers: Answers) => T | null,
): Promise<T> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const answers = await ask(db, message);
    const result = answers === null ? null : read(answers);
    if (result !== null) return result;
    await pause(100 * attempt);
  }
  throw new Busy(
    "the schema changed while it was read, three times in a row: somebody is altering it",
    [whenOtherIsDone],
  );
}

/** null: an object vanished between being listed and being described. */
async function ask(db: Database, message: string): Promise<Answers | null> {
  try {
    return await db.queryAll(message);
  } catch (error) {
    await db.query("ROLLBACK").catch(() => {});
    if (vanished.has(codeOf(error))) return null;
    if (codeOf(error) === "55P03") {
      throw new Busy(
        "another session holds a lock on what has to be read, such as a running migration's",
        [whenOtherIsDone],
      );
    }
    throw cannotGoOn(error, "reading the database's state");
  }
}

/**
 * internal_error ("could not open relation with OID", "cache lookup failed"), and names that are gone:
 * table, column, schema, object, function.
 */
const vanished: ReadonlySet<string> = new Set([
  "XX000",
  "42P01",
  "42703",
  "3F000",
  "42704",
  "42883",
]);

type ServerRow = Omit<Server, "searchPath"> &
  Pick<Role, "canCreateSchema" | "schemas"> &
  Pick<Home, "createsIn" | "spelled"> & {
    readonly role: string;
    readonly wantedPath: string;
    readonly home: string;
  };

function readServer(answer: Answer): {
  readonly server: Server;
  readonly role: Omit<Role, "canCreate">;
  readonly home: Omit<Home, "by">;
} {
  const row = (answer?.[0] ?? {}) as ServerRow;
  const { role, canCreateSchema, wantedPath, schemas, home, spelled, createsIn, ...server } = row;
  const names = schemasOfPath(wantedPath);
  const path = [...new Set(names.map((name) => (name === "$user" ? role : name)))];
  return {
    server: { ...server, searchPath: path.filter((schema) => schemas[schema]?.canUse) },
    role: {
      name: role,
      canCreateSchema,
      searchPath: path,
      hasUserInPath: names.includes("$user"),
      schemas,
    },
    // Where nothing of the path is there, what is said of it names its first one.
    home: { schema: home === "" ? (path[0] ?? "public") : home, spelled, createsIn, program: null },
  };
}

type TableRow = Pick<
  VersionTable,
  "schema" | "name" | "width" | "canWrite" | "isGuarded" | "owned"
> & {
  readonly kind: string;
  readonly hasColumns: boolean;
  readonly mayRead: boolean;
  /** Row security hides rows from this role, or may. */
  readonly filtered: boolean;
  /** Hexadecimal UTF-8 of a JSON array of `RecordedVersion`, sorted bytewise by version with nulls last. */
  readonly rows: string | null;
};

function readTables(answer: Answer): readonly VersionTable[] {
  return ((answer ?? []) as readonly TableRow[]).map((row) => {
    const unreadable = whyUnreadable(row);
    const versions = parseRows(row.rows);
    return {
      schema: row.schema,
      name: row.name,
      rows: unreadable === null ? versions.map(([version]) => version) : null,
      stored: unreadable === null ? versions.map(([version]) => version) : [],
      digests: new Map(
        versions.flatMap(([version, digest]) =>
          version === null || digest === null ? [] : [[version, digest]],
        ),
      ),
      fileNames: new Map(
        versions.flatMap(([version, , , name]) =>
          version === null || name === null ? [] : [[version, name]],
        ),
      ),
      isDirty: versions.some(isDirty),
      unreadable,
      canRead: row.mayRead,
      width: row.width,
      isTable: row.kind === "r" || row.kind === "p",
      canWrite: row.canWrite,
      isGuarded: row.isGuarded,
      owned: row.owned,
    };
  });
}

function whyUnreadable(row: TableRow): VersionTable["unreadable"] {
  if (!row.mayRead) return "permission";
  if (!row.hasColumns || row.rows === null) return "shape";
  // Behind row security: all rows, or those for us. Nobody can tell.
  return row.filtered ? "permission" : null;
}

type RecordedVersion = readonly [
  version: string | null,
  digest: string | null,
  isUnfinished: unknown,
  fileName: string | null,
];

function parseRows(hex: string | null): readonly RecordedVersion[] {
  return hex === null ? [] : (decode(hex) as readonly RecordedVersion[]);
}

function isDirty([, , isUnfinished]: RecordedVersion): boolean {
  return isUnfinished === true;
}

function decode(hex: unknown): unknown {
  return JSON.parse(Buffer.from(String(hex), "hex").toString("utf8"));
}

function readNeighbours(answer: Answer): Observation["neighbours"] {
  const tables = (answer ?? []) as readonly (TableName & { readonly rows: string | null })[];
  return tables.map(({ rows: hex, ...table }) => {
    const versions = parseRows(hex);
    const rows = versions.flatMap(([version]) => version ?? []);
    return { ...table, rows, isDirty: versions.some(isDirty) };
  });
}

type ProgressRow = Progress & { readonly version_table: string };

/** Of the version table with this name, whether it is there or not. Throws CannotJudge `permission`. */
function readProgress(
  answer: Answer,
  { schema, name }: TableName,
  role: string,
): readonly Progress[] {
  const beside = answer?.find((table) => table["schema"] === schema);
  if (beside === undefined) return [];
  if (beside["rows"] === null)
    throw new CannotJudge(
      "permission",
      `role ${role} may not read ${schema}.${progressTable}, or row security may hide some of it: it says which migrations have not ended`,
      [
        `GRANT SELECT ON ${quoteQualified({ schema, name: progressTable })} TO ${quoteIdentifier(role)}`,
      ],
    );
  return (decode(beside["rows"]) as readonly ProgressRow[])
    .filter((row) => row.version_table === `${schema}.${name}`)
    .map(({ version, checksum, done, of, line, statement, state, error }) => ({
      version,
      checksum,
      done,
      of,
      line,
      statement,
      state,
      error,
    }));
}

function canWriteProgress(answer: Answer, schema: string): boolean | null {
  const beside = answer?.find((table) => table["schema"] === schema);
  return beside === undefined ? null : beside["canWrite"] === true;
}

function chooseTable(
  tables: readonly VersionTable[],
  wanted: WantedTable,
  home: string | null,
  searchPath: readonly string[],
): VersionTable | null {
  const only = wanted.schema ?? home;
  const schemas = only === null ? searchPath : [only];
  const named = tables.filter(({ name }) => name === wanted.name);
  const schema = schemas.find((one) => named.some((table) => table.schema === one));
  return named.find((table) => table.schema === schema) ?? null;
}

function readTools(answer: Answer, chosen: VersionTable | null): Observation["otherTools"] {
  const tables = (answer ?? []) as readonly (TableName & { readonly tool: string })[];
  return tables
    .filter(({ schema, name }) => schema !== chosen?.schema || name !== chosen.name)
    .map(({ tool, schema, name }) => ({ tool, table: `${schema}.${name}` }));
}

type FactRow = {
  readonly k: Fact["kind"];
  readonly o: string;
  readonly n: string;
  readonly d?: string;
};

function readFact({ k, o, n, d = "" }: FactRow): Fact {
  return withoutStorage({ kind: k, object: o, name: n, definition: d });
}

/** Whether somebody has set it for this role, this database or this session: then no other server is any less read-only. */
export async function isReadOnlyForRole(db: Database): Promise<boolean> {
  const asked = db.query(readReadOnlyForRole);
  const rows = await asked.catch(throwCannotGoOn("asking why the server is read-only"));
  return rows.length > 0;
}
