import { missingGuard } from "./repeats.ts";
import type { Remark } from "./scene.ts";
import { actionsOf } from "../pgsql/tree.ts";
import type { ParsedMigration } from "./parse-migrations.ts";

type Placed = Remark & { readonly line: number };

/** What is to be said of a file as a whole. */
export function remarkOnFile(migration: ParsedMigration): readonly Placed[] {
  return [
    ...remarkOnRepeating(migration),
    ...remarkOnOutside(migration),
    ...remarkOnBlocks(migration),
  ];
}

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

function remarkOnOutside({ outside, statements }: ParsedMigration): readonly Placed[] {
  const others = statements.filter(({ node }) => !("VariableSetStmt" in node));
  if (outside === null || others.length < 2) return [];
  return [
    {
      level: "note",
      rule: "statement-by-statement",
      seen: `the file cannot run in one transaction (${outside.why}), and it has ${others.length} statements`,
      why: "they run one by one, and an interruption leaves those before it done",
      remedy: "one such statement in a file of its own makes an interruption simplest",
      line: outside.line,
    },
  ];
}

function remarkOnBlocks({ statements }: ParsedMigration): readonly Placed[] {
  const blocks = statements.filter(({ node }) => "DoStmt" in node);
  const [first] = blocks;
  if (first === undefined) return [];
  return [
    {
      level: "note",
      rule: "not-examined",
      seen: blocks.length === 1 ? "a DO block" : `${blocks.length} DO blocks`,
      why: "what a block does is not looked at here",
      remedy: "look for yourself whether it does what would be reported elsewhere",
      line: first.line,
    },
  ];
}

/** The words before the first bracket, if they are few. */
function headline(text: string): string {
  const words = text.replaceAll(/\s+/g, " ").split("(")[0]?.trim() ?? "";
  return words.length <= 80 ? words : `${words.slice(0, 79)}…`;
}
