import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { byText } from "../../core/migration-tool.ts";
import { CannotJudge } from "../../core/outcome.ts";
import { isDirectory } from "../files.ts";
import type { FileName, NumberedFiles, NumberedTool } from "../numbered/list-files.ts";
import { candidateOf } from "../numbered/read-directory.ts";
import { nextTimed } from "../numbered/template.ts";
import type { Candidate } from "../tool.ts";
import { platformSchemas, supabasePrelude } from "./prelude.sql.ts";
import { digestOf, recordedStatements } from "./statements.ts";
import { versionTable } from "./version-table.ts";

/** `supabase/migrations`, as Supabase's own tool reads and records it (3.1): docs/supabase.md. */
export const supabase: NumberedTool = {
  name: "supabase",
  appliedBy: "preflight",
  versionTable,
  versions: "texts",
  order: byText,
  illegalInIds: "",
  platform: {
    schemas: platformSchemas,
    prelude: { name: "for Supabase", sql: supabasePrelude },
  },
  words: {
    downgrade: null,
    // Its dashboard and its API record a migration with a time of their own.
    renumber: (from, to) => `${sayRepair("reverted", from)}, then ${sayRepair("applied", to)}`,
  },
  newFiles: {
    kind: "files",
    placeFor: async ({ cwd, path, isNamed }) => {
      if (path?.endsWith(join("/supabase", "migrations"))) return path;
      if (path !== null && isNamed) throw elsewhere();
      if (path !== null) return null;
      const project = join(cwd, "supabase");
      return isNamed || (await isDirectory(project)) ? join(project, "migrations") : null;
    },
    // It takes every file for a migration: there are none that undo one.
    next: nextTimed,
    whileEmpty: "Supabase takes it for a migration that does nothing",
  },
  find: async ({ cwd }) => {
    const found = await candidateAt("supabase/migrations", cwd);
    return found === null ? [] : [found];
  },
  locate: async (path, { cwd }) => {
    const candidates = await Promise.all(
      [path, join(path, "migrations"), join(path, "supabase/migrations")].map(
        async (place) => await candidateAt(place, cwd),
      ),
    );
    return candidates.find((candidate) => candidate !== null) ?? null;
  },
};

async function candidateAt(place: string, cwd: string): Promise<Candidate | null> {
  const directory = resolve(cwd, place);
  const project = dirname(directory);
  if (basename(directory) !== "migrations" || basename(project) !== "supabase") return null;
  const names: readonly string[] = await readdir(directory).catch(() => []);
  if (!names.some((name) => readName(name) !== null)) return null;
  const skipped = names.toSorted().slice(0, 1).find(isOldInit);
  const numbered: NumberedFiles = {
    tool: supabase,
    directory,
    root: dirname(project),
    readName: (file) => (file === skipped ? null : readName(file)),
    digestOf,
    recordedOf: recordedStatements,
    isUnwritten: () => false,
    passesOverOthers: true,
    whyOutside,
  };
  return candidateOf(numbered, { place, ledgerDirectory: project });
}

function sayRepair(status: string, versions: readonly string[]): string {
  return `supabase migration repair --status ${status} ${versions.join(" ")}`;
}

/** Its own tool finds them nowhere else. */
function elsewhere(): CannotJudge {
  return new CannotJudge("config", "Supabase keeps its migrations in supabase/migrations", [
    "--migrations supabase/migrations, or without it in the directory that holds supabase",
  ]);
}

/** Down files are not known there: `1_x.down.sql` is a migration. */
function readName(file: string): FileName | null {
  const [, id, name = ""] = /^(\d+)_(.*)\.sql$/.exec(file) ?? [];
  return id === undefined ? null : { id, name };
}

/** Before December 2021 the first file held a dump of what the platform makes: it is passed over. */
function isOldInit(file: string): boolean {
  const [, time] = /(\d{14})_init\.sql/.exec(file) ?? [];
  return time !== undefined && Number(time) < 20211209000000;
}

/** Its author can ask for no transaction in the first line. */
function whyOutside(text: string): string | null {
  return /^-- pg-delta: transaction=false\r?(?:\n|$)/.test(text)
    ? "its first line says 'transaction=false'"
    : null;
}
