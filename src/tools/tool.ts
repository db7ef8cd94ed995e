import type { Finding } from "../core/audit.ts";
import type { Graph, History } from "../core/history.ts";
import type { MigrationTool } from "../core/migration-tool.ts";
import type { Migration } from "../core/migration.ts";
import type { Revision } from "../core/revision.ts";
import type { VersionTableName } from "../core/version-table.ts";
import type { Place } from "../settings/program-address.ts";

/**
 * Everything that Preflight knows of a migration tool. To add one: 1. a folder `tools/<name>/` that exports a `Tool`; 2. a line in
 * `registry.ts`; 3. an example and scenarios for it. If anything else must change, this interface is wrong: change it here.
 */
export type Tool = MigrationTool & {
  /** The histories that stand where the tool's users keep them, below `where.cwd`. */
  readonly find: (where: Where) => Promise<readonly Candidate[]>;
  /** The history at a path that a person named, and that exists, `#` and a part of the file aside; null where there is none of this tool. */
  readonly locate: (path: string, where: Where) => Promise<Candidate | null>;
  readonly newFiles: NewFiles | NoNewFiles;
};

/** How `preflight new` writes the next migration. */
export type NewFiles = {
  readonly kind: "files";
  /**
   * Where a history of this tool begins that has no file yet: at a path, if the tool keeps any there; else where the project seems to
   * want it; null: nowhere. Throws `CannotJudge("config")` where somebody named the tool and a path that is none of its.
   */
  readonly placeFor: (where: {
    readonly cwd: string;
    /** null: nobody named one. */
    readonly path: string | null;
    /** Somebody named the tool. */
    readonly isNamed: boolean;
  }) => Promise<string | null>;
  /**
   * @param name in snake case
   * @param beside the names of the files that are there
   */
  readonly next: (name: string, beside: readonly string[], now: Date) => readonly NewFile[];
  /** What a file without a statement is for this tool: "Supabase takes it for …". */
  readonly whileEmpty: string;
};

/** The tool writes its files itself. */
export type NoNewFiles = {
  readonly kind: "tool";
  readonly why: string;
  readonly command: (name: string) => string;
};

export type NewFile = { readonly file: string; readonly text: string };

export type Where = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** A history that was found and not yet read. */
export type Candidate = {
  readonly tool: Tool;
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
  readonly tool: Tool;
  readonly graph: Graph;
  readonly warnings: readonly string[];
  /** For whoever works on the files; no start needs to hear it. */
  readonly remarks: readonly string[];
  /** Directory that the files of revisions are relative to. */
  readonly root: string;
  /** By id: what the version table keeps of each file's text; empty where it keeps nothing. */
  readonly digests: ReadonlyMap<string, string>;
  readonly upgrade: Upgrade;
  /** What in its files is dangerous. */
  readonly audit: (history: History) => Promise<readonly Finding[]>;
  /** Where its files are seen to create or drop an extension; in the order of the files and what stands in them. */
  readonly readExtensions: () => Promise<readonly ManagedExtension[]>;
  /** The schema of each place where the files that run the migrations set the search_path; null: it is put in from elsewhere. */
  readonly readPath: () => Promise<readonly (string | null)[]>;
  /** The version table, where what runs the migrations names another one than the tool's usual; null: it names none. */
  readonly readTable: () => Promise<NamedTable | null>;
  /** Revisions that version control knows and the image does not; [] where that cannot be known. Sorted by id. */
  readonly readDeleted: () => Promise<readonly DeletedRevision[]>;
};

export type ManagedExtension = {
  readonly name: string;
  readonly does: "creates" | "drops";
  /** It creates the extension where there is none, and does nothing where there is. */
  readonly saysIfNotExists: boolean;
  /** It does so on every database: no condition stands before it. */
  readonly isSure: boolean;
  /** Relative to the history's root. */
  readonly file: string;
  readonly line: number;
};

export type NamedTable =
  | { readonly kind: "named"; readonly table: VersionTableName }
  /** It names one by what only a run can tell: where that stands, and what stands there. */
  | { readonly kind: "unread"; readonly where: string; readonly says: string };

/** How pending revisions come into a database: by the image's own program, or by us. */
export type Upgrade =
  | {
      readonly kind: "command";
      readonly commands: Commands;
      /** For a bake: where the program might find another database than the one it is given. */
      readonly readAddresses: () => Promise<Addresses>;
      /** For the advice where the program fails: what of the environment it is seen to read. */
      readonly readVariables: () => Promise<ReadVariables>;
      /** For a bake: where a revision may make something else on a server that lacks an extension. */
      readonly readAsking: () => Promise<readonly string[]>;
    }
  | {
      readonly kind: "native";
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
  /** Throws `CannotJudge("config")` where a person's own upgrade command is, by its words, another history's. */
  readonly refuseOther: (upgrade: readonly string[]) => void;
  /**
   * Why the program could not do its work, where that is no fault of a migration; null: nobody knows.
   * @param complaint the error, as `followComplaint` finds it
   * @param lines what was printed last
   */
  readonly explain: (complaint: string, lines: readonly string[]) => Explanation | null;
};

/** What is named in a failure besides its last words, and what a person can do about it. */
export type Explanation = {
  readonly names: readonly string[];
  readonly next: readonly string[];
  /** The program did not find, in the variables that it reads, what it needs to get to its database. */
  readonly isOfVariables: boolean;
};

export type ReadVariables = {
  /** In the order in which they are read. */
  readonly names: readonly string[];
  /** Of the URLs that the program takes, such as `postgresql+asyncpg`. */
  readonly scheme: string;
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
  /** What a copy is called. */
  readonly fileName: string;
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

export type DeletedRevision = Pick<Revision, "id" | "parents" | "dependsOn" | "file">;
