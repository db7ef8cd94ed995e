import { basename, dirname, join, resolve } from "node:path";
import { byNumber } from "../../core/migration-tool.ts";
import { hashOf } from "../file-text.ts";
import { exists } from "../files.ts";
import {
  listNames,
  type NumberedFiles,
  type NumberedTool,
  readFileName,
} from "../numbered/list-files.ts";
import { candidateOf } from "../numbered/read-directory.ts";
import { isUnwritten, nextFiles } from "../numbered/template.ts";
import type { Candidate } from "../tool.ts";
import { versionTable } from "./version-table.ts";

/** Numbered files of SQL and no tool at all: applied by us. */
export const sql: NumberedTool = {
  name: "sql",
  appliedBy: "preflight",
  versionTable,
  versions: "numbers",
  order: byNumber,
  illegalInIds: "",
  platform: null,
  words: { downgrade: null, renumber: null },
  newFiles: {
    kind: "files",
    placeFor: async ({ path }) => path,
    next: nextFiles,
    whileEmpty: "until somebody writes to it, the history is broken, as `preflight audit` will say",
  },
  find: async ({ cwd }) => {
    const candidates = await Promise.all(usual.map((path) => candidateAt(path, cwd)));
    return candidates.filter((candidate) => candidate !== null);
  },
  locate: async (path, { cwd }) => await candidateAt(path, cwd),
};

const usual = ["migrations", "db/migrations", "sql/migrations", "database/migrations"];

async function candidateAt(place: string, cwd: string): Promise<Candidate | null> {
  const directory = resolve(cwd, place);
  const isSupabase =
    basename(directory) === "migrations" && basename(dirname(directory)) === "supabase";
  if (isSupabase || !(await holdsMigrations(directory))) return null;
  // What the current directory is called differs from machine to machine.
  const root = directory === resolve(cwd) ? directory : dirname(directory);
  const numbered: NumberedFiles = {
    tool: sql,
    directory,
    root,
    readName: readFileName,
    digestOf: hashOf,
    recordedOf: async () => null,
    isUnwritten,
    passesOverOthers: false,
    whyOutside: () => null,
  };
  return candidateOf(numbered, { place, ledgerDirectory: root });
}

/** Alembic's scripts stand beside its env.py. */
async function holdsMigrations(directory: string): Promise<boolean> {
  const names = await listNames(directory);
  if (!names.some((name) => readFileName(name) !== null)) return false;
  return !(await exists(join(directory, "env.py")));
}
