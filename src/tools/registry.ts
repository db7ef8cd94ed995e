import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { CannotJudge } from "../core/outcome.ts";
import { alembic } from "./alembic/alembic.ts";
import { sql } from "./sql/sql.ts";
import { supabase } from "./supabase/supabase.ts";
import type { Candidate, Tool, Where } from "./tool.ts";

/** THE list of tools. */
export const tools: readonly Tool[] = [alembic, supabase, sql];

/**
 * The history that this run is about. Throws `CannotJudge`: "missing-input" where there is none, "config" where there are
 * several or where one cannot be read by this version. Reading it comes after, and a broken history does not throw: its graph says so.
 */
export async function findHistory(
  where: Where & { readonly migrations: string | null; readonly tool: string | null },
  known: readonly Tool[] = tools,
): Promise<Candidate> {
  if (where.migrations !== null) await requirePlace(where.migrations, where.cwd);
  const wanted = known.filter((tool) => where.tool === null || tool.name === where.tool);
  const candidates = await Promise.all(
    wanted.map(async (tool) => {
      if (where.migrations === null) return await tool.find(where);
      const located = await tool.locate(where.migrations, where);
      return located === null ? [] : [located];
    }),
  );
  return theOnly(candidates.flat(), where);
}

async function requirePlace(path: string, cwd: string): Promise<void> {
  if ((await stat(resolve(cwd, path)).catch(() => null)) !== null) return;
  throw new CannotJudge("missing-input", `${path} does not exist (seen from ${cwd}).`, [
    "Copy the migrations into the image, and name their place as it is there: --migrations PATH.",
  ]);
}

function theOnly(
  candidates: readonly Candidate[],
  where: { readonly cwd: string; readonly migrations: string | null },
): Candidate {
  const [first, ...others] = candidates;
  if (first === undefined) throw nothing(where);
  if (others.length === 0) return first;
  const names = candidates.map(({ tool, place }) => `${place} (${tool.name})`);
  throw new CannotJudge(
    "config",
    `There are several migration histories: ${names.join(" and ")}.`,
    ["Name the one that this application uses: --migrations PATH, or --tool TOOL."],
  );
}

function nothing(where: { readonly cwd: string; readonly migrations: string | null }): CannotJudge {
  if (where.migrations !== null)
    return new CannotJudge("missing-input", `${where.migrations} holds no migrations.`, [
      "Name a configuration file (alembic.ini, pyproject.toml), or a directory of numbered .sql files.",
    ]);
  return new CannotJudge("missing-input", `No migration history was found in ${where.cwd}.`, [
    "Copy the migrations into the image: alembic.ini and its scripts, migrations/*.sql, or supabase/migrations.",
    "Start in the directory that holds them, or name it: --migrations PATH.",
  ]);
}
