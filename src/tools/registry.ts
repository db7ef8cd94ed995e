import { resolve } from "node:path";
import { CannotJudge } from "../core/outcome.ts";
import { alembic } from "./alembic/alembic.ts";
import { exists } from "./files.ts";
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
  where: Wanted,
  known: readonly Tool[] = tools,
): Promise<Candidate> {
  const { migrations, tool: name, cwd } = where;
  if (migrations !== null && !(await isThere(migrations, cwd)))
    throw new CannotJudge("missing-input", `${migrations} does not exist (seen from ${cwd}).`, [
      "Copy the migrations into the image, and name their place as it is there: --migrations PATH.",
    ]);
  const wanted = known.filter((tool) => name === null || tool.name === name);
  const candidates = await Promise.all(
    wanted.map(async (tool) => {
      if (migrations === null) return await tool.find(where);
      return (await tool.locate(migrations, where)) ?? [];
    }),
  );
  return theOnly(candidates.flat(), where);
}

/** A tool may know parts of a file: `FILE#PART`. */
async function isThere(named: string, cwd: string): Promise<boolean> {
  const file = named.replace(/#[^#]+$/, "");
  return (await exists(resolve(cwd, named))) || (file !== "" && (await exists(resolve(cwd, file))));
}

type Wanted = Where & { readonly migrations: string | null; readonly tool: string | null };

function theOnly(candidates: readonly Candidate[], where: Wanted): Candidate {
  const [first, ...others] = candidates;
  if (first === undefined) throw nothing(where);
  if (others.length === 0) return first;
  const names = candidates.map(({ tool, place }) => `${place} (${tool.name})`);
  throw new CannotJudge(
    "config",
    `There are several migration histories: ${names.join(" and ")}.`,
    [
      `Name the one that this application uses: ${candidates.map(({ place }) => `--migrations ${place}`).join(" or ")}`,
    ],
  );
}

function nothing({ cwd, migrations }: Wanted): CannotJudge {
  if (migrations !== null)
    return new CannotJudge("missing-input", `${migrations} holds no migrations.`, [
      "Name a configuration file (alembic.ini, pyproject.toml), or a directory of numbered .sql files.",
    ]);
  return new CannotJudge("missing-input", `No migration history was found in ${cwd}.`, [
    "Copy the migrations into the image: alembic.ini and its scripts, migrations/*.sql, or supabase/migrations.",
    "Start in the directory that holds them, or name it: --migrations PATH.",
  ]);
}
