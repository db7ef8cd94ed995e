/** A migration written in SQL, cut into statements: what our own runner applies. */
export type Migration = {
  /** The version, as its file's name spells it: `001`, `20240131120000`. */
  readonly id: string;
  /** What stands between the version and the extension: `create_customers`. */
  readonly name: string;
  /** Path relative to the history's root, with forward slashes. */
  readonly file: string;
  /** As `Revision.hash`. */
  readonly checksum: string;
  /** What its author says of it in the leading comments. */
  readonly header: readonly HeaderEntry[];
  /** In the file's order; none in a placeholder of Supabase's. */
  readonly statements: readonly Statement[];
  /** What Supabase's own tool would record as the file's statements; null for other tools. */
  readonly recorded: readonly string[] | null;
  /** Why it cannot run in one transaction; null: it can, and does. */
  readonly outside: { readonly line: number; readonly why: string } | null;
};

/** `-- Purpose: keep the price at order time`. A text of several lines has line ends. */
export type HeaderEntry = { readonly label: string; readonly text: string };

export type Statement = {
  /** As in the file, from its first word to its last, without the semicolon. */
  readonly text: string;
  /** Of its first word; from 1. */
  readonly line: number;
  /** PostgreSQL refuses it inside a transaction block. */
  readonly isAlone: boolean;
  /** Changes the schema and so waits for locks that others hold. */
  readonly isDdl: boolean;
};

/** One row of a version table of ours or of Supabase's. */
export type VersionRow = {
  readonly version: string;
  readonly name: string;
  readonly checksum: string;
  /** What Supabase's own tool would record beside the version; null for tools that do not. */
  readonly statements: readonly string[] | null;
};

/** How far a migration came that runs outside of a transaction: a row that stands until it is done. */
export type Progress = {
  readonly version: string;
  readonly checksum: string;
  /** Statements that are done and committed. */
  readonly done: number;
  readonly of: number;
  /** Of the statement after those; from 1. */
  readonly line: number;
  /** The statement after those, shortened. */
  readonly statement: string;
  /** `started`: it was sent and its end never seen; `failed`: it ended with an error; `pending`: it had not begun. */
  readonly state: "pending" | "started" | "failed";
  /** Of the failure; null otherwise. */
  readonly error: string | null;
};

/** Holds `Progress`, in the schema of the version table. */
export const progressTable = "preflight_progress";
