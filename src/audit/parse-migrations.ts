import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Migration } from "../core/migration.ts";
import { type ParsedStatement, parseSql } from "../pgsql/parse.ts";

/** A file of a history with PostgreSQL's trees of its statements. */
export type ParsedMigration = Pick<Migration, "file" | "outside"> & {
  /** The file's text. */
  readonly script: string;
  readonly statements: readonly ParsedStatement[];
};

/** The files of these migrations once more, with the trees that a migration does not keep. */
export async function parseMigrations(
  root: string,
  migrations: readonly Migration[],
): Promise<readonly ParsedMigration[]> {
  return await Promise.all(
    migrations.map(async ({ file, outside }) => {
      const script = await readFile(path.join(root, file), "utf8");
      const parsed = await parseSql(script);
      // It has been parsed before: whoever broke it since will hear of it the next time.
      return {
        file,
        outside,
        script,
        statements: parsed.kind === "parsed" ? parsed.statements : [],
      };
    }),
  );
}
