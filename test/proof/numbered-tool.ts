import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { quoted } from "./ground.ts";
import { fileText } from "./history.ts";
import type { ProofTool, Table } from "./tool.ts";

/** Numbered SQL files: a row for every file. */
export const numberedTool: ProofTool = {
  versionTable: "preflight_migrations",
  ownTable: "own_versions",
  column: "version",
  write: (directory, { revisions }, count) => {
    mkdirSync(path.join(directory, "migrations"), { recursive: true });
    for (const revision of revisions.slice(0, count))
      writeFileSync(
        path.join(directory, "migrations", `${revision.id}_${revision.name}.sql`),
        fileText(revision),
      );
  },
  create: ({ schema, name }) => `
    CREATE TABLE ${quoted(schema)}.${name} (
      version text PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(), run_id text NOT NULL, duration_ms bigint)`,
  record: (table, { revisions }, count) =>
    revisions.slice(0, count).map((revision) => {
      const digest = createHash("sha256").update(fileText(revision)).digest("hex");
      return record(table, revision.id, revision.name, digest.slice(0, 16));
    }),
  recordUnknown: (table) => [record(table, "9999", "of_a_newer_image", "0123456789abcdef")],
  recordForeign: (table, pick) =>
    record(table, pick % 3 === 0 ? "001" : "20240101000000", "accounts", "fedcba9876543210"),
  claimed: (rows) => rows,
};

function record(
  { schema, name }: Table,
  version: string,
  called: string,
  checksum: string,
): string {
  return `
    INSERT INTO ${quoted(schema)}.${name} (version, name, checksum, run_id, duration_ms)
    VALUES ('${version}', '${called}', '${checksum}', 'before', 3)`;
}
