import type { VersionTableLayout } from "../../core/migration-tool.ts";
import { quoteLiteral } from "../../core/quote.ts";
import { makeTable } from "../numbered/make-table.ts";

export const versionTable: VersionTableLayout = {
  usual: { schema: null, name: "preflight_migrations" },
  rows: "each",
  version: "version",
  columns: ["version", "name", "checksum", "applied_at", "run_id", "duration_ms"],
  digest: { column: "checksum", expression: "checksum::text" },
  fileName: "name",
  dirty: null,
  isAlsoOurs: null,
  width: null,
  hasNeighbours: true,
  create: (table) =>
    makeTable(
      table,
      (name) => `
  IF to_regclass(${quoteLiteral(name)}) IS NULL THEN
    CREATE TABLE ${name} (
      version text PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      run_id text NOT NULL,
      duration_ms bigint
    );
    COMMENT ON TABLE ${name} IS 'Preflight: one row for every migration that is applied. Without duration_ms: recorded because the schema proved it, and not run.';
  END IF;`,
    ),
  isCompleted: false,
  values: ({ version, name, checksum }, { runId, durationMs }) => ({
    version: quoteLiteral(version),
    name: quoteLiteral(name),
    checksum: quoteLiteral(checksum),
    run_id: quoteLiteral(runId),
    duration_ms: durationMs === null ? "NULL" : String(Math.round(durationMs)),
  }),
};
