import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Node } from "libpg-query";
import type { Finding } from "../core/audit.ts";
import type { Migration } from "../core/migration.ts";
import { type ParsedStatement, parseSql } from "../pgsql/parse.ts";
import { actionsOf } from "../pgsql/tree.ts";
import { remarkOnAction } from "./alter-table.ts";
import { type Known, learn, nothingKnown } from "./learn.ts";
import { remarkOnLocks, takeLocks } from "./locks.ts";
import { remarkOnLosses } from "./losses.ts";
import { remarkOnRenames } from "./renames.ts";
import { missingGuard } from "./repeats.ts";
import { remarkOnRowChanges } from "./row-changes.ts";
import type { Lock, Remark, Scene } from "./scene.ts";

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

/** What the files of a history would do to a database that is in use, one file after the other. */
export function auditSql(files: readonly ParsedMigration[]): readonly Finding[] {
  const known = nothingKnown();
  return files.flatMap((migration, file) =>
    [
      remarkOnStatements(migration, file, known),
      remarkOnRepeating(migration),
      remarkOnOutside(migration),
      remarkOnBlocks(migration),
    ]
      .flatMap((each) => each ?? [])
      .toSorted((a, b) => a.line - b.line)
      .map((finding) => ({ ...finding, file: migration.file })),
  );
}

function remarkOnStatements(
  { script, outside, statements }: ParsedMigration,
  file: number,
  known: Known,
): readonly Placed[] {
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
    remarkOnAction(node, scene),
    remarkOnLocks(node, text, scene),
    remarkOnLosses(node, scene),
    remarkOnRowChanges(node, scene),
    remarkOnRenames(node, scene),
  ].flatMap((each) => each ?? []);
}

/** @param location in bytes, as trees have it */
function lineAt(script: Buffer, location: number): number {
  return script.toString("latin1", 0, location).split(/\r\n|[\r\n]/).length;
}

type Placed = Remark & { readonly line: number };

/**
 * A file that runs in one transaction is done or not done, so that repeating it is no question for `preflight run`: one
 * note says what would happen by hand. Only outside of a transaction a file can stop in the middle.
 */
function remarkOnRepeating({ outside, statements }: ParsedMigration): readonly Placed[] {
  const gone = new Set<string>();
  const unsafe = statements.flatMap(({ node, text, line }) =>
    actionsOf(node).flatMap((action) => {
      const guard = missingGuard(action, gone);
      return guard === null ? [] : [{ guard, text, line }];
    }),
  );
  const [first] = unsafe;
  if (first === undefined) return [];
  if (outside === null) return [repeatedByHand(unsafe.map(({ line }) => line))];
  return unsafe.map(({ guard, text, line }) => ({
    level: "warning",
    rule: "not-repeatable",
    seen: `${headline(text)} in a file that runs outside of a transaction`,
    why: "the file can stop in the middle: run from its start again, this fails or does its work twice",
    remedy: `add ${guard}`,
    line,
  }));
}

function repeatedByHand(lines: readonly number[]): Placed {
  const distinct = [...new Set(lines)];
  const shown = `${distinct.length === 1 ? "line" : "lines"} ${distinct.slice(0, 5).join(", ")}`;
  return {
    level: "note",
    rule: "not-repeatable",
    seen: `${lines.length === 1 ? "a statement" : `${lines.length} statements`} would fail, or work twice, if the file were run again (${shown}${distinct.length > 5 ? ", …" : ""})`,
    why: "preflight runs the file whole or not at all, but psql -f does not",
    remedy: "by hand: psql --single-transaction -v ON_ERROR_STOP=1 -f …",
    line: lines[0] ?? 1,
  };
}

function remarkOnOutside({ outside, statements }: ParsedMigration): Placed | null {
  const others = statements.filter(({ node }) => !("VariableSetStmt" in node));
  if (outside === null || others.length < 2) return null;
  return {
    level: "note",
    rule: "statement-by-statement",
    seen: `the file cannot run in one transaction (${outside.why}), and it has ${others.length} statements`,
    why: "they run one by one, and an interruption leaves those before it done",
    remedy: "one such statement in a file of its own makes an interruption simplest",
    line: outside.line,
  };
}

function remarkOnBlocks({ statements }: ParsedMigration): Placed | null {
  const blocks = statements.filter(({ node }) => "DoStmt" in node);
  const [first] = blocks;
  if (first === undefined) return null;
  return {
    level: "note",
    rule: "not-examined",
    seen: blocks.length === 1 ? "a DO block" : `${blocks.length} DO blocks`,
    why: "what a block does is not looked at here",
    remedy: "look for yourself whether it does what would be reported elsewhere",
    line: first.line,
  };
}

/** The words before the first bracket, if they are few. */
function headline(text: string): string {
  const words = text.replaceAll(/\s+/g, " ").split("(")[0]?.trim() ?? "";
  return words.length <= 80 ? words : `${words.slice(0, 79)}…`;
}
