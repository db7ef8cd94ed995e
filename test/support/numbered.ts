import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { supabasePrelude } from "../../src/tools/supabase/prelude.sql.ts";
import type { TestServer } from "./postgres.ts";

/** The examples whose histories are numbered files; what is known of their tools is written down here once more. */
export const numberedExamples = {
  tickets: { directory: "migrations", ledger: "preflight.ledger.json", record: recordOurs },
  notes: {
    directory: "supabase/migrations",
    ledger: "supabase/preflight.ledger.json",
    record: recordSupabase,
  },
} as const;

export type NumberedExample = keyof typeof numberedExamples;

const root = path.join(import.meta.dirname, "../../examples");

/** Brings an empty database to a version as a person would, file by file, and records it as the tool does. */
export async function applyByHand(
  server: TestServer,
  url: string,
  example: NumberedExample,
  at: string | null,
): Promise<void> {
  if (example === "notes") await server.sql(url, supabasePrelude);
  if (at === null) return;
  const { directory, record } = numberedExamples[example];
  const files = readdirSync(path.join(root, example, directory))
    .sort()
    .map((file) => ({ file, ...partsOf(file) }))
    .filter(({ version }) => version <= at);
  if (!files.some(({ version }) => version === at)) throw new Error(`${example} has no ${at}`);
  const applied = files.map(({ file, ...parts }) => ({
    ...parts,
    text: readFileSync(path.join(root, example, directory, file), "utf8"),
  }));
  for (const { text } of applied) await server.sql(url, text);
  await record(server, url, applied);
}

type Applied = { readonly version: string; readonly name: string; readonly text: string };

function partsOf(file: string): { readonly version: string; readonly name: string } {
  const [, version = "", name = ""] = /^(\d+)_(.*)\.sql$/.exec(file) ?? [];
  return { version, name };
}

async function recordOurs(
  server: TestServer,
  url: string,
  applied: readonly Applied[],
): Promise<void> {
  await server.sql(
    url,
    `CREATE TABLE preflight_migrations (
       version text PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
       applied_at timestamptz NOT NULL DEFAULT now(), run_id text NOT NULL, duration_ms bigint)`,
  );
  for (const { version, name, text } of applied) {
    const checksum = createHash("sha256").update(text).digest("hex").slice(0, 16);
    await server.sql(
      url,
      `INSERT INTO preflight_migrations (version, name, checksum, run_id) VALUES ('${version}', '${name}', '${checksum}', 'by hand')`,
    );
  }
}

async function recordSupabase(
  server: TestServer,
  url: string,
  applied: readonly Applied[],
): Promise<void> {
  await server.sql(
    url,
    `CREATE SCHEMA supabase_migrations;
     CREATE TABLE supabase_migrations.schema_migrations (version text NOT NULL PRIMARY KEY, statements text[], name text)`,
  );
  for (const { version, name, text } of applied)
    await server.sql(
      url,
      `INSERT INTO supabase_migrations.schema_migrations VALUES ('${version}', ARRAY[$text$${text}$text$], '${name}')`,
    );
}
