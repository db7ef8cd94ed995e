import type { Fact } from "./facts.ts";
import type { JournalEntry } from "./journal.ts";
import type { Progress } from "./migration.ts";

/** What one look saw, in one read-only transaction. */
export type Observation = {
  readonly server: Server;
  readonly role: Role;
  readonly home: Home;
  /** What was asked besides because something is absent; null: not asked. */
  readonly elsewhere: Elsewhere | null;
  /** What was asked besides because no version row says which data migrations ran; null: not asked. */
  readonly rows: readonly RowAnswer[] | null;
  /** What our own runs have written here, the oldest entry first; null: not asked, or there is nothing to read. */
  readonly journal: readonly JournalEntry[] | null;
  /** Of the tables of which it was asked, those that hold rows, or may; null: not asked. */
  readonly filled?: readonly string[] | null;
  /** Of the roles to which the history gives something, those that are there; null: not asked. */
  readonly receivers?: readonly string[] | null;
  /** The version table that belongs to this history, or null where there is none. */
  readonly versionTable: VersionTable | null;
  /** Tables of the same name in other schemas, and other tables that look like Alembic's. */
  readonly otherVersionTables: readonly VersionTable[];
  /** Version tables of other tools that number their files too: evidence, never written. */
  readonly neighbours: readonly NeighbourTable[];
  /** Migrations of this history that began outside of a transaction, and whose end we did not see. */
  readonly progress: readonly Progress[];
  /** The role may write the table where these are kept; null: there is none yet. */
  readonly canWriteProgress: boolean | null;
  /** Version tables of other tools, as qualified names with the tool's name. */
  readonly otherTools: readonly { readonly tool: string; readonly table: string }[];
  /** Hard and soft facts of the schemas in scope, without any tool's version table. */
  readonly facts: readonly Fact[];
  /** Invalid indexes whose build is still in progress, as qualified index names: not facts of a stopped migration. */
  readonly buildingIndexes: readonly string[];
};

/** The schema that the history lives in. */
export type Home = {
  readonly schema: string;
  /** As PostgreSQL prints it in a definition. */
  readonly spelled: string;
  /**
   * `setting`: somebody named it, or the tool's own program goes there. `table`: the version table is there, although
   * CREATE would go to an earlier schema of the path. `program`: the program's address leads there.
   */
  readonly by: "setting" | "path" | "table" | "program";
  /** The first schema of the path that is there: where CREATE goes; null: none is. */
  readonly createsIn: string | null;
  /** The same for the address that the program may read; null: not asked, or there is no other than ours. */
  readonly program: ProgramsPath | null;
};

export type ProgramsPath = {
  /** Where the address stands: safe to print. */
  readonly source: string;
  readonly role: string;
  readonly createsIn: string | null;
};

/** Where else in the database this history's objects may be. */
export type Elsewhere = {
  /** `pg_settings.source` of the session's search_path. */
  readonly pathSource: string;
  /** Tables, in any schema of users, that have the name of one of the history's; the home's own included. */
  readonly tables: readonly {
    readonly schema: string;
    readonly name: string;
    readonly columns: readonly string[];
  }[];
};

/** What was found in a table, which is named as facts name it. */
export type RowAnswer =
  | {
      readonly kind: "rows";
      readonly table: string;
      readonly columns: readonly string[];
      /** Of the hashes that were asked for in these columns, those that are there. */
      readonly found: readonly string[];
    }
  | {
      readonly kind: "emptiness";
      readonly table: string;
      /** Only rows of which this is true count; null: all. */
      readonly where: string | null;
      readonly isEmpty: boolean;
    }
  | {
      readonly kind: "unreadable";
      readonly table: string;
      /** As the server says it. */
      readonly why: string;
    };

export type Server = {
  /** `server_version_num`, such as 150018. */
  readonly version: number;
  readonly database: string;
  /** The schemas of `search_path` that are there and open to the role, in order. */
  readonly searchPath: readonly string[];
  readonly inRecovery: boolean;
  readonly readOnly: boolean;
  /** `pg_settings.source` of what makes it so; null: it is not. */
  readonly readOnlyBy: string | null;
  /** Identity of the server process: differs after a restart or a failover. ISO 8601. */
  readonly startedAt: string;
};

export type Role = {
  readonly name: string;
  /** May create tables in the schema where the version table is or would be. */
  readonly canCreate: boolean;
  /** May create schemas in this database. */
  readonly canCreateSchema: boolean;
  /** The schemas of `search_path`, with those that are not there or not open to the role; `"$user"` is the role's name. */
  readonly searchPath: readonly string[];
  /** `"$user"` is one of them. */
  readonly hasUserInPath: boolean;
  /** By name: every schema of the database. */
  readonly schemas: Readonly<Record<string, SchemaRights>>;
};

type SchemaRights = { readonly canUse: boolean; readonly canCreate: boolean };

export type VersionTable = {
  readonly schema: string;
  readonly name: string;
  /** The versions, as the history spells them; null where the role may not read the table or it has no such column. */
  readonly rows: readonly (string | null)[] | null;
  /** The same as the table has them, each in the same place; sorted bytewise. */
  readonly stored: readonly (string | null)[];
  /** By version as stored: what the file was called behind its number, where the table keeps it. */
  readonly fileNames: ReadonlyMap<string, string>;
  /** By version: what the table keeps of the file's text (see `FoundHistory.digests`), where it keeps anything. */
  readonly digests: ReadonlyMap<string, string>;
  /** A row says that its migration has not ended. */
  readonly isDirty: boolean;
  readonly unreadable: "permission" | "shape" | null;
  /** The role may select; `unreadable` is then a matter of row security. */
  readonly canRead: boolean;
  /** Characters that the column holds; null when unlimited. */
  readonly width: number | null;
  readonly isTable: boolean;
  /** The role may select, insert, update and delete. */
  readonly canWrite: boolean;
  /** Row security may keep the role from writing a row. */
  readonly isGuarded: boolean;
  /** The role owns the table (through membership as well), which ALTER needs. */
  readonly owned: boolean;
};

export type NeighbourTable = {
  readonly schema: string;
  readonly name: string;
  /** Versions as text. */
  readonly rows: readonly string[];
  /** golang-migrate marks a version whose migration did not end. */
  readonly isDirty: boolean;
};
