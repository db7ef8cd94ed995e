import type { Graph } from "../core/history.ts";
import type { Migration } from "../core/migration.ts";
import type { FileTool, Revision, ToolName } from "../core/revision.ts";
import type { Place } from "../settings/place.ts";

/** What Preflight must know of a migration tool. */
export type Tool = {
  readonly name: ToolName;
  /** The histories that stand where the tool's users keep them, below `where.cwd`. */
  readonly find: (where: Where) => Promise<readonly Candidate[]>;
  /** The history at a path that a person named, and that exists; null where there is none of this tool. */
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
  Pick<Revision, "id" | "parents" | "dependsOn" | "labels" | "file" | "hash" | "isAtomic">
>;

export type FoundHistory = {
  readonly tool: ToolName;
  readonly graph: Graph;
  readonly warnings: readonly string[];
  /** Directory that the files of revisions are relative to. */
  readonly root: string;
  /** Where the tool records versions unless it is told otherwise; schema null: on the search path. */
  readonly versionTable: { readonly schema: string | null; readonly name: string };
  /** Schemas that a platform makes and fills: what nobody planned there is nobody's drift. */
  readonly platformSchemas: readonly string[];
  /** By id: what the version table keeps of each file's text; empty where it keeps nothing. */
  readonly digests: ReadonlyMap<string, string>;
  readonly upgrade: Upgrade;
  /** The schema of each place where the files that run the migrations set the search_path; null: it is put in from elsewhere. */
  readonly readPath: () => Promise<readonly (string | null)[]>;
  /** Revisions that version control knows and the image does not; [] where that cannot be known. Sorted by id. */
  readonly readDeleted: () => Promise<readonly DeletedRevision[]>;
};

/** How pending revisions come into a database: by the image's own program, or by us. */
export type Upgrade =
  | {
      readonly kind: "command";
      readonly commands: Commands;
      /** For a bake: where the program might find another database than the one it is given. */
      readonly readAddresses: () => Promise<Addresses>;
    }
  | {
      readonly kind: "native";
      readonly tool: FileTool;
      /** The files of these revisions, read and cut into statements, in the order given. */
      readonly load: (ids: readonly string[]) => Promise<readonly Migration[]>;
    };

/**
 * The image's own program, as argv. Each throws `CannotJudge("config")` where the history was found without the
 * configuration that the program needs.
 */
export type Commands = {
  readonly cwd: string;
  readonly upgrade: (target: string) => readonly string[];
  readonly current: () => readonly string[];
  /** Read-only, and says where it arrives. */
  readonly locate: () => readonly string[];
  /** The same by the way of a person's own upgrade command; null: its words do not tell how. */
  readonly locateLike: (upgrade: readonly string[]) => readonly string[] | null;
  /** Where it arrives, from one line of its output; null: the line is about something else. */
  readonly placeIn: (line: string) => Place | null;
};

export type Addresses = {
  /** Each with its place: what makes a second engine, or takes an address from a file; and files that cannot be read. */
  readonly suspects: readonly string[];
  /** null: no configuration file holds any, or a copy of it would not be used. */
  readonly fixed: FixedAddresses | null;
};

/** URLs in a configuration file. */
export type FixedAddresses = {
  readonly values: readonly FixedValue[];
  /** The file's text with these in the values' places. */
  readonly copyWith: (addresses: readonly string[]) => string;
  /** The same commands with a copy, by its absolute path. */
  readonly commands: (copy: string) => Commands;
  /** By which a program that is started in another way finds the copy. */
  readonly variables: (copy: string) => Readonly<Record<string, string>>;
};

export type FixedValue = {
  readonly text: string;
  /** It stands where the address of the history's own database does. */
  readonly isFirst: boolean;
};

export type DeletedRevision = {
  readonly id: string;
  readonly parents: readonly string[];
  readonly dependsOn: readonly string[];
  readonly file: string;
};
