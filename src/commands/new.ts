import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { CannotJudge } from "../core/outcome.ts";
import type { FileTool } from "../core/revision.ts";
import type { Settings } from "../settings/settings.ts";
import { type NewFile, nextFiles } from "../tools/sql/template.ts";
import type { Candidate } from "../tools/tool.ts";
import { type Ending, ready } from "../engine/run-record.ts";
import type { Context } from "../engine/context.ts";
import { findHistory } from "../tools/registry.ts";

/** Writes the next file of a history of SQL files. Of the others only the names count: a broken history can go on. */
export async function newMigration(settings: Settings, context: Context): Promise<Ending> {
  const name = settings.name ?? "";
  const { tool, directory } = await choosePlace(name, settings, context);
  context.record.tool = tool;
  const beside = await listNames(directory, context);
  const { up, down } = nextFiles(name, beside, tool, new Date());
  await writeNew(up, directory, context);
  if (down !== null) await writeNew(down, directory, context);
  context.log({
    level: "warn",
    event: "new.empty",
    msg:
      tool === "supabase"
        ? `${up.file} has no statement yet: Supabase takes it for a migration that does nothing`
        : `${up.file} has no statement yet: until it has one, the history is broken, as \`preflight audit\` will say`,
  });
  return ready;
}

type Place = { readonly tool: FileTool; readonly directory: string };

async function choosePlace(name: string, settings: Settings, context: Context): Promise<Place> {
  const { migrations, tool } = settings;
  const found = await findCandidate(settings, context);
  if (found?.tool === "alembic" || tool === "alembic")
    throw new CannotJudge("config", "Alembic writes the files of its histories itself", [
      `alembic revision -m "${name.replaceAll("_", " ")}"`,
      "where there is a history of SQL files beside it: --tool sql or --tool supabase",
    ]);
  if (found !== null)
    return { tool: found.tool, directory: path.resolve(context.cwd, found.place) };
  if (migrations !== null) return placeOfPath(path.resolve(context.cwd, migrations), tool);
  const project = path.join(context.cwd, "supabase");
  if (tool === "supabase" || (tool === null && (await isDirectory(project))))
    return { tool: "supabase", directory: path.join(project, "migrations") };
  throw new CannotJudge("missing-input", `no migration history was found in ${context.cwd}`, [
    `say where it shall be: preflight new ${name} --migrations migrations`,
  ]);
}

/** Supabase's own tool finds its files nowhere else. */
function placeOfPath(directory: string, tool: FileTool | null): Place {
  const isSupabase = directory.endsWith(path.join("/supabase", "migrations"));
  if (tool === "supabase" && !isSupabase)
    throw new CannotJudge("config", "Supabase keeps its migrations in supabase/migrations", [
      "--migrations supabase/migrations, or without it in the directory that holds supabase",
    ]);
  return { tool: tool ?? (isSupabase ? "supabase" : "sql"), directory };
}

async function findCandidate(
  { migrations, tool }: Settings,
  { cwd, env }: Context,
): Promise<Candidate | null> {
  try {
    return await findHistory({ cwd, env, migrations, tool });
  } catch (error) {
    if (error instanceof CannotJudge && error.outcome === "missing-input") return null;
    throw error;
  }
}

async function isDirectory(place: string): Promise<boolean> {
  return await stat(place).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Of what is in the directory, which is made where it is missing. */
async function listNames(directory: string, { cwd }: Context): Promise<readonly string[]> {
  try {
    if (!(await isDirectory(directory))) await mkdir(directory);
    return await readdir(directory);
  } catch (error) {
    const place = path.relative(cwd, directory);
    throw new CannotJudge("missing-input", `${place} cannot be made or read (${codeOf(error)})`, [
      `make the directory: mkdir -p ${place}`,
      "or name another one: --migrations PATH",
    ]);
  }
}

/** Never over a file that is there. */
async function writeNew(
  { file, text }: NewFile,
  directory: string,
  { cwd, log }: Context,
): Promise<void> {
  const place = path.relative(cwd, path.join(directory, file));
  try {
    await writeFile(path.join(directory, file), text, { flag: "wx" });
  } catch (error) {
    throw new CannotJudge("missing-input", `${place} cannot be written (${codeOf(error)})`, [
      codeOf(error) === "EEXIST"
        ? "somebody else has just written it: start again, for another number"
        : "check the directory and its permissions",
    ]);
  }
  log({ level: "info", event: "new.written", msg: `written: ${place}`, file: place });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
