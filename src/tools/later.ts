import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CannotJudge } from "../core/outcome.ts";
import type { ToolName } from "../core/revision.ts";
import type { Candidate, Tool } from "./tool.ts";

/** Tools whose histories are recognised, so that nothing is decided beside them, and not read yet. */
export const supabase: Tool = numberedFiles("supabase", "supabase/migrations");
export const sql: Tool = numberedFiles("sql", "migrations");

function numberedFiles(name: ToolName, usual: string): Tool {
  return {
    name,
    find: async ({ cwd }) =>
      (await holdsNumberedSql(join(cwd, usual))) ? [candidate(name, usual, cwd)] : [],
    locate: async (path, { cwd }) => {
      const supabase = resolve(cwd, path).replaceAll("\\", "/").endsWith("supabase/migrations");
      const ours = (name === "supabase") === supabase;
      return ours && (await holdsNumberedSql(resolve(cwd, path)))
        ? candidate(name, path, cwd)
        : null;
    },
  };
}

async function holdsNumberedSql(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => []);
  return names.some((file) => /^V?\d.*\.sql$/i.test(file));
}

function candidate(tool: ToolName, place: string, cwd: string): Candidate {
  return {
    tool,
    place,
    ledgerDirectory: cwd,
    read: async () => {
      throw new CannotJudge(
        "config",
        `${place} is a history of the tool '${tool}', which is not supported by this version yet.`,
        ["This version reads Alembic histories: name one with --migrations PATH."],
      );
    },
  };
}
