import type { Graph } from "../core/history.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Revision, ToolName } from "../core/revision.ts";
import { alembic } from "./alembic/alembic.ts";
import { sql, supabase } from "./later.ts";

/** What Preflight must know of a migration tool. */
export type Tool = {
  readonly name: ToolName;
  /** The histories that stand where the tool's users keep them, below `where.cwd`. */
  readonly find: (where: Where) => Promise<readonly Candidate[]>;
  /** The history at a path that a person named; null where there is none of this tool. */
  readonly locate: (path: string, where: Where) => Promise<Candidate | null>;
};

export type Where = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** A history that was found and not yet read. */
export type Candidate = {
  readonly tool: ToolName;
  /** The file or directory that leads to it, as a person would name it from `cwd`. */
  readonly place: string;
  /** Where the ledger is unless a setting says otherwise: the directory of the configuration file. */
  readonly ledgerDirectory: string;
  readonly read: (vouched: Vouched) => Promise<FoundHistory>;
};

/**
 * What a ledger knows of revision files, by their path. Where it knows every file of a history with
 * the same hash, none needs to be parsed: the same text says the same.
 */
export type Vouched = ReadonlyMap<
  string,
  Pick<Revision, "id" | "parents" | "dependsOn" | "labels" | "file" | "hash">
>;

export type FoundHistory = {
  readonly tool: ToolName;
  readonly graph: Graph;
  readonly warnings: readonly string[];
  /** Directory that the files of revisions are relative to. */
  readonly root: string;
  /** Where the tool records versions unless it is told otherwise. */
  readonly versionTable: string;
  readonly versionColumn: string;
  readonly commands: Commands;
  /** Revisions that version control knows and the image does not; [] where that cannot be known. Sorted by id. */
  readonly readDeleted: () => Promise<readonly DeletedRevision[]>;
};

/**
 * The image's own program, as argv. Each throws `CannotJudge("config")` where the history was found without the
 * configuration that the program needs.
 */
export type Commands = {
  readonly cwd: string;
  readonly upgrade: (target: string) => readonly string[];
  readonly current: () => readonly string[];
};

export type DeletedRevision = {
  readonly id: string;
  readonly parents: readonly string[];
  readonly dependsOn: readonly string[];
  readonly file: string;
};

const tools: readonly Tool[] = [alembic, supabase, sql];

/**
 * The history that this run is about. Throws `CannotJudge`: "missing-input" where there is none, "config" where there are
 * several or where one cannot be read by this version. Reading it comes after, and a broken history does not throw: its graph says so.
 */
export async function findHistory(
  where: Where & { readonly migrations: string | null; readonly tool: ToolName | null },
): Promise<Candidate> {
  const wanted = tools.filter((tool) => where.tool === null || tool.name === where.tool);
  const candidates = await Promise.all(
    wanted.map(async (tool) => {
      if (where.migrations === null) return await tool.find(where);
      const located = await tool.locate(where.migrations, where);
      return located === null ? [] : [located];
    }),
  );
  return theOnly(candidates.flat(), where);
}

function theOnly(
  candidates: readonly Candidate[],
  where: { readonly cwd: string; readonly migrations: string | null },
): Candidate {
  const [first, ...others] = candidates;
  if (first === undefined) throw nothing(where);
  if (others.length === 0) return first;
  const names = candidates.map(({ tool, place }) => `${place} (${tool})`);
  throw new CannotJudge(
    "config",
    `There are several migration histories: ${names.join(" and ")}.`,
    ["Name the one that this application uses: --migrations PATH, or --tool TOOL."],
  );
}

function nothing(where: { readonly cwd: string; readonly migrations: string | null }): CannotJudge {
  if (where.migrations !== null)
    return new CannotJudge("missing-input", `${where.migrations} holds no migrations.`, [
      "Name the configuration file (alembic.ini, pyproject.toml) or the directory that holds it.",
    ]);
  return new CannotJudge("missing-input", `No migration history was found in ${where.cwd}.`, [
    "Copy the migration files and their configuration (alembic.ini or pyproject.toml) into the image.",
    "Start in the directory that holds the configuration, or name it: --migrations PATH.",
  ]);
}
