import type { Node } from "libpg-query";
import type { Finding } from "../core/audit.ts";
import { remarkOnAction } from "./alter-table.ts";
import { remarkOnFile } from "./whole-file.ts";
import { type Known, nothingKnown } from "./known.ts";
import { learn } from "./learn.ts";
import { remarkOnLocks } from "./locks.ts";
import { remarkOnLosses } from "./losses.ts";
import { remarkOnRenames } from "./renames.ts";
import { remarkOnRowChanges } from "./row-changes.ts";
import type { Lock, Remark, Scene } from "./scene.ts";
import { takeLocks } from "./take-locks.ts";
import { actionsOf } from "../pgsql/tree.ts";
import type { ParsedMigration } from "./parse-migrations.ts";

/** What the files of a history would do to a database that is in use, one file after the other. */
export function auditSql(files: readonly ParsedMigration[]): readonly Finding[] {
  const known = nothingKnown();
  return files.flatMap((migration, file) =>
    [...remarkOnStatements(migration, file, known), ...remarkOnFile(migration)]
      .toSorted((a, b) => a.line - b.line)
      .map((finding) => ({ ...finding, file: migration.file })),
  );
}

function remarkOnStatements(
  { script, outside, statements }: ParsedMigration,
  file: number,
  known: Known,
) {
  const bytes = Buffer.from(script.replace(/^\uFEFF/, ""));
  const locks: Lock[] = [];
  return statements.flatMap(({ node, text, line }) => {
    // Outside of a transaction a lock is gone with its statement.
    const scene: Scene = { known, file, line, locks: outside === null ? locks : [] };
    takeLocks(node, scene);
    return actionsOf(node).flatMap((action) => {
      const remarks = remarkOn(action, text, scene);
      learn(known, action, file);
      return remarks.map(({ location, ...remark }) => ({
        ...remark,
        line: location === undefined ? line : lineAt(bytes, location),
      }));
    });
  });
}

function remarkOn(node: Node, text: string, scene: Scene): readonly Remark[] {
  return [
    ...remarkOnAction(node, scene),
    ...remarkOnLocks(node, text, scene),
    ...remarkOnLosses(node, scene),
    ...remarkOnRowChanges(node, scene),
    ...remarkOnRenames(node, scene),
  ];
}

/** @param location in bytes, as trees have it */
function lineAt(script: Buffer, location: number): number {
  return script.toString("latin1", 0, location).split(/\r\n|[\r\n]/).length;
}
