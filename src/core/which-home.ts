import type { Place } from "./elsewhere.ts";
import * as grants from "./grants.ts";
import { factAtHome } from "./home.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Ledger } from "./ledger.ts";
import type { Home, Observation, ProgramsPath, Server } from "./observation.ts";
import { CannotJudge } from "./outcome.ts";
import { refuse } from "./refusals.ts";
import { pathOfOptions, schemasOfPath } from "./search-path.ts";
import type { Refusal, Step } from "./step.ts";
import type { Verdict } from "./verdict.ts";
import { nameTable } from "./version-table.ts";
import { pastThePooler } from "./ways-out.ts";
import { enumerate } from "./words.ts";

/** What leads to the home, besides the search_path that the session has. */
export type HomeRequest = {
  /** A person's `--schema`. */
  readonly schema: string | null;
  /** Start-up options of the connection, as libpq has them. */
  readonly options: string | null;
  /** Not yet read for a home. */
  readonly ledger: Ledger | null;
};

/** The home that is known without asking the database; null: the search_path decides. */
export function namedHome({ schema, ledger }: HomeRequest): string | null {
  if (schema !== null) return schema;
  return ledger?.home.kind === "program" ? ledger.home.schema : null;
}

/**
 * Whether the search_path can be trusted to say where the history lives.
 * @returns `config` or `permission`; null: nothing speaks against it
 */
export function faultOfHome(request: HomeRequest, observation: Observation): CannotJudge | null {
  const { schema, ledger, options } = request;
  if (schema !== null) return null;
  if (ledger?.home.kind === "program")
    return ledger.home.isFixed ? null : variableHome(ledger.home);
  return droppedOption(options, observation) ?? absentFirst(request, observation);
}

function variableHome({ schema }: { readonly schema: string }): CannotJudge {
  return new CannotJudge(
    "config",
    `the migrations' own program puts a schema of its choice first in the search_path (${schema} when the ledger was baked), and nothing here says which one it is for this database`,
    ["say which schema it is: --schema NAME (PREFLIGHT_SCHEMA)"],
  );
}

/** A pooler may take start-up options and not pass them on. */
function droppedOption(options: string | null, { role }: Observation): CannotJudge | null {
  const asked = pathOfOptions(options);
  if (asked === null) return null;
  const wanted = schemasOfPath(asked).map((name) => (name === "$user" ? role.name : name));
  if ([...new Set(wanted)].join("\0") === role.searchPath.join("\0")) return null;
  return new CannotJudge(
    "config",
    `the address asks for search_path = ${asked}, and the session's is ${role.searchPath.join(", ") || "empty"}: something on the way, such as a pooler, drops start-up options`,
    [
      pastThePooler,
      `or set it where no pooler is in between: ALTER ROLE ${role.name} IN DATABASE … SET search_path = ${asked}`,
      "or name the schema: --schema NAME",
    ],
  );
}

/** PostgreSQL passes over a schema that is not there or not open, and takes the next: the objects would land elsewhere. */
function absentFirst({ ledger }: HomeRequest, { role, server }: Observation): CannotJudge | null {
  const first = role.searchPath.find(
    (name) => !(role.hasUserInPath && name === role.name && role.schemas[name] === undefined),
  );
  if (first === undefined || first === "pg_temp") return null;
  const rights = role.schemas[first];
  const next = server.searchPath.find((name) => name !== first);
  const wouldGo = next === undefined ? "nothing can be created" : `everything would go to ${next}`;
  if (rights === undefined)
    return isMade(ledger, first)
      ? null
      : new CannotJudge(
          "config",
          `schema ${first} comes first in the search_path of role ${role.name} (${role.searchPath.join(", ")}), and database ${server.database} has no such schema: ${wouldGo}`,
          [
            `if it shall live there: CREATE SCHEMA ${first}`,
            `if the path is wrong: name the schema, --schema ${server.searchPath[0] ?? "NAME"}`,
          ],
        );
  // Where nothing else is on the path, it is asked for with whatever else is needed there.
  if (rights.canUse || next === undefined || (role.hasUserInPath && first === role.name))
    return null;
  return new CannotJudge(
    "permission",
    `role ${role.name} may not use schema ${first}, the first of its search_path (${role.searchPath.join(", ")}): ${wouldGo}`,
    [grants.grantUse({ schema: first }, role.name)],
  );
}

/** A history may make the very schema that its role's path begins with. */
function isMade(ledger: Ledger | null, schema: string): boolean {
  const made = ledger?.facts.filter(({ kind }) => kind === "schema") ?? [];
  return made.some((fact) => factAtHome(fact, "").object === schema);
}

/**
 * The upgrade's program sets the search_path, no ledger tells where to, and it may well be at work in another schema: where we
 * looked there is nothing, or rows of this history are there as well.
 * @returns null: nothing speaks against the home
 */
export function faultOfProgramsPath(
  { programsPath, history }: Knowledge,
  { home, versionTable, otherVersionTables }: Observation,
  verdict: Verdict,
): CannotJudge | null {
  if (home.by === "setting") return null;
  const others = [...new Set(programsPath)].filter((name) => name !== home.schema);
  const rivals = otherVersionTables.filter(
    ({ schema, rows }) =>
      (others.includes(schema) || others.includes(null)) &&
      rows?.some((row) => row !== null && history.revisions.has(row)) === true,
  );
  const isEmpty = verdict.kind === "fresh" && versionTable === null;
  if (others.length === 0 || (!isEmpty && rivals.length === 0)) return null;
  const named = others.filter((name) => name !== null);
  const places = rivals.map(nameTable);
  return new CannotJudge(
    "config",
    `the migrations' own program sets the search_path ${named.length === others.length ? `to ${enumerate(named)}` : "to a name from elsewhere"}, no ledger tells where they live, and ${isEmpty ? `schema ${home.schema}, which the session's path leads to, has nothing of this history` : `besides schema ${home.schema}, which the session's path leads to, this history has rows in ${enumerate(places)}`}`,
    [
      `say which schema it is: --schema ${named.length === 1 ? named[0] : "NAME"} (PREFLIGHT_SCHEMA)`,
      "or run `preflight bake`, which sees it, and copy preflight.ledger.json into the image",
    ],
  );
}

/** Where the program's own address leads to another schema; null: to the same, or a person has said which one it is. */
export function otherHome(home: Home, program: ProgramsPath | null): string | null {
  if (home.by === "setting" || program?.createsIn === home.schema) return null;
  return program?.createsIn ?? null;
}

/** Whether anything of the history was seen there. */
export function isSomethingThere(verdict: Verdict): boolean {
  return verdict.kind !== "fresh" && verdict.kind !== "unknown";
}

/**
 * Two addresses, and nothing of the history is where either of them leads.
 * @param source of our own address
 * @returns null: nothing speaks against the upgrade
 */
export function faultOfTwoHomes(
  { home }: Observation,
  verdict: Verdict,
  source: string,
): CannotJudge | null {
  const { program, schema } = home;
  const other = otherHome(home, program);
  if (verdict.kind !== "fresh" || program === null || other === null) return null;
  return new CannotJudge(
    "config",
    `two addresses are set, and they lead to two schemas: ${source} to ${schema}, ${program.source} (role ${program.role}), which the migrations' own program may read, to ${other}; nothing of this history is in either`,
    [
      `if it shall live in ${other}: --schema ${other}`,
      `if it shall live in ${schema}: --schema ${schema}, and the program's search_path must begin with it`,
    ],
  );
}

/** Another home is named first: it is likelier that the search_path is wrong than that a database lost its tables. */
export function withOtherHomes(refusal: Refusal, places: readonly Place[]): Refusal {
  const ways = places.map(
    ({ schema }) => `if the application's tables are those in schema ${schema}: --schema ${schema}`,
  );
  return { ...refusal, next: [...ways, ...refusal.next] };
}

/** Where the upgrade would make its objects beside the others. Null: nothing speaks against it. */
export function refusalOfHome(
  { history, ledger, isBoundElsewhere, programsPath }: Knowledge,
  { home, role, server }: Observation,
  steps: readonly Step[],
): Refusal | null {
  const isMoved = ledger === null || ledger.inHome.some(Boolean);
  if (!steps.some(({ kind }) => kind === "upgrade") || !isMoved) return null;
  if (home.by === "table") return refuse("table-not-first", home, server);
  // The tool's own program goes by its session's path, which no setting of ours changes.
  const goesByPath =
    ledger?.home.kind !== "program" &&
    programsPath.length === 0 &&
    history.tool.appliedBy === "program";
  const { createsIn } = home.program ?? home;
  if (home.by === "setting" && goesByPath && createsIn !== home.schema)
    return refuse("schema-not-first", home.schema, whosePath(home, role.name, server), createsIn);
  if (isBoundElsewhere) return refuse("bound-to-public", home.schema);
  return null;
}

function whosePath({ program }: Home, role: string, { searchPath }: Server): string {
  return program === null
    ? `role ${role} (${searchPath.join(", ") || "empty"})`
    : `role ${program.role} (${program.source})`;
}
