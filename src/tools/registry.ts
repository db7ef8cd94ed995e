import { join, resolve } from "node:path";
import { CannotJudge } from "../core/outcome.ts";
import { alembic } from "./alembic/alembic.ts";
import { exists } from "./files.ts";
import { findHistoryOfOthers, nameOther } from "./other-tools.ts";
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
  const [first, ...others] = candidates.flat();
  if (first === undefined) throw (await nothingButOthers(where)) ?? nothing(where);
  if (others.length > 0) throw several([first, ...others]);
  return first;
}

/** A tool may know parts of a file: `FILE#PART`. */
async function isThere(named: string, cwd: string): Promise<boolean> {
  const file = named.replace(/#[^#]+$/, "");
  return (await exists(resolve(cwd, named))) || (file !== "" && (await exists(resolve(cwd, file))));
}

type Wanted = Where & { readonly migrations: string | null; readonly tool: string | null };

function several(candidates: readonly Candidate[]): CannotJudge {
  const names = candidates.map(({ tool, place }) => `${place} (${tool.name})`);
  return new CannotJudge(
    "config",
    `There are several migration histories: ${names.join(" and ")}.`,
    [
      `Name the one that this application uses: ${candidates.map(({ place }) => `--migrations ${place}`).join(" or ")}`,
    ],
  );
}

/** Where another tool's migrations stand instead of any that is known here; null: there are none. */
async function nothingButOthers({ cwd, migrations }: Wanted): Promise<CannotJudge | null> {
  const isOfSqitch = await exists(resolve(cwd, "sqitch.plan"));
  const usual = isOfSqitch ? [...usualOfOthers, "."] : usualOfOthers;
  for (const place of migrations === null ? usual : [migrations]) {
    const refusal = await refuseOthers(resolve(cwd, place), place);
    if (refusal !== null) return refusal;
  }
  return null;
}

/** null: nothing in that directory is another tool's, as far as can be seen. */
export async function refuseOthers(directory: string, place: string): Promise<CannotJudge | null> {
  const found = await findHistoryOfOthers(directory);
  const first = found.find(({ tool }) => tool !== null) ?? found[0];
  if (first === undefined) return null;
  const besides = found.length === 1 ? "" : ` (one of ${found.length} files)`;
  return new CannotJudge(
    "missing-input",
    `${join(place, first.file)} is ${nameOther(first)}${besides}: preflight does not read such histories.`,
    [
      "Let the tool that they are made for bring them in, and leave preflight out of this image.",
      `Or have preflight run them, and no other tool: ${first.way} (docs/sql-files.md). Which of them a database already has, its schema proves.`,
      "Or name the directory that holds this application's history: --migrations PATH.",
    ],
  );
}

const usualOfOthers = [
  "migrations",
  "db/migrations",
  "sql/migrations",
  "database/migrations",
  "db/migrate",
  "prisma/migrations",
  "priv/repo/migrations",
  "src/main/resources/db/migration",
  "src/main/resources/db/changelog",
];

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
