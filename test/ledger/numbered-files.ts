import type { DatabaseAddress } from "../../src/core/database-address.ts";
import type { History } from "../../src/core/history.ts";
import type { MigrationTool } from "../../src/core/migration-tool.ts";
import { CannotJudge } from "../../src/core/outcome.ts";
import { factsQuery } from "../../src/database/facts.sql.ts";
import { ensureVersionTable, migrate } from "../../src/database/migrate.ts";
import { bakeSchema } from "../../src/ledger/instrument.sql.ts";
import type { ReplayPlan } from "../../src/ledger/replay.ts";
import type { Scratch } from "../../src/ledger/scratch.ts";
import type { NativeUpgrade } from "../../src/ledger/upgrade.ts";
import { conditionOf } from "../../src/pgsql/condition.ts";
import { sql as sqlTool } from "../../src/tools/sql/sql.ts";
import { supabase as supabaseTool } from "../../src/tools/supabase/supabase.ts";
import { fileOf, open, realTime, versionTable } from "../database/support.ts";

/** A numbered file as a test writes it: all of it at once, or statement by statement. */
export type NumberedFile = { readonly id: string; readonly sql: string | readonly string[] };

/** Where versions are recorded. */
export type Layout = {
  readonly tool: MigrationTool;
  readonly table: { readonly schema: string; readonly name: string };
};

const own: Layout = { tool: sqlTool, table: versionTable };
export const supabase: Layout = {
  tool: supabaseTool,
  table: { schema: "supabase_migrations", name: "schema_migrations" },
};

/** A bake of these files by our runner, or by another one. */
export function planOf(
  files: readonly NumberedFile[],
  scratch: Scratch,
  { layout = own, apply }: { layout?: Layout; apply?: NativeUpgrade["apply"] } = {},
): ReplayPlan {
  return {
    scratch,
    history: historyOf(files, layout.tool),
    versionTable: layout.table,
    upgrade: {
      kind: "native",
      apply: apply ?? ((address, table) => applyFiles(files, address, { ...layout, table })),
    },
    readPath: async () => [],
    isVarying: () => false,
    conditionOf,
    factsQuery: factsQuery({
      scope: null,
      rare: true,
      rights: "given",
      ignoreSchemas: [bakeSchema],
    }),
    log: () => {},
    signal: new AbortController().signal,
  };
}

/** A chain: every file stands on the one before. */
export function historyOf(files: readonly NumberedFile[], tool: MigrationTool = sqlTool): History {
  const ids = files.map(({ id }) => id);
  const parentsOf = (index: number): readonly string[] => ids.slice(Math.max(0, index - 1), index);
  return {
    tool,
    revisions: new Map(
      ids.map((id, index) => [
        id,
        {
          id,
          parents: parentsOf(index),
          dependsOn: [],
          labels: [],
          title: "",
          file: `${id}.sql`,
          hash: `hash of ${id}`,
          isEmpty: false,
          isAtomic: true,
          saysIfNotExists: false,
          readsEnvironment: false,
          sketch: [],
        },
      ]),
    ),
    heads: ids.slice(-1),
    bases: ids.slice(0, 1),
    needs: new Map(ids.map((id, index) => [id, parentsOf(index)])),
  };
}

/** All files in one session. */
export async function applyFiles(
  files: readonly NumberedFile[],
  { host, port, user, password, database }: DatabaseAddress,
  { tool, table }: Layout = own,
): Promise<void> {
  const url = new URL(`postgres://${user}:${password ?? ""}@${host}:${port}/${database}`);
  const session = await open(url.href);
  try {
    await ensureVersionTable(session, tool.versionTable, table);
    for (const { id, sql } of files) {
      const migration = fileOf([sql].flat(), { id, file: `${id}.sql` });
      const end = await migrate(session, migration, {
        ...realTime(),
        layout: tool.versionTable,
        table,
        row: { version: id, name: "", checksum: "", statements: null },
        runId: "bake",
        applicationName: "preflight/test",
        ddlLockTimeout: 5_000,
        timeout: null,
        resumeAt: 0,
        cancel: session.close,
        random: Math.random,
        onStatement: () => {},
      });
      if (end.kind === "failed")
        throw new CannotJudge("migration-failed", `${id}.sql: ${end.message}`, ["see the file"]);
    }
  } finally {
    await session.close();
  }
}
