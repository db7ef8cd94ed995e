import { alembicTool } from "./alembic-tool.ts";
import type { ProofHistory, ToolName } from "./history.ts";
import { numberedTool } from "./numbered-tool.ts";

export type Table = { readonly schema: string; readonly name: string };

/** What a migration tool is, written down once more and without the program's own code. */
export type ProofTool = {
  /** The usual name of the version table. */
  readonly versionTable: string;
  /** Where a project gives it another one. */
  readonly ownTable: string;
  /** An image's files: the first so many revisions. */
  readonly write: (directory: string, history: ProofHistory, count: number) => void;
  /** SQL: the table, made as the tool makes it. */
  readonly create: (table: Table) => string;
  /** SQL: the rows after so many revisions. */
  readonly record: (table: Table, history: ProofHistory, count: number) => readonly string[];
  /** SQL: a newer image has brought in one more. */
  readonly recordUnknown: (table: Table) => readonly string[];
  /** SQL: a row of another application's history. */
  readonly recordForeign: (table: Table, pick: number) => string;
  /** The column that holds the version. */
  readonly column: string;
  /** The revisions that these rows claim. */
  readonly claimed: (rows: readonly string[], history: ProofHistory) => readonly string[];
};

export const proofTools: Readonly<Record<ToolName, ProofTool>> = {
  sql: numberedTool,
  alembic: alembicTool,
};
