import type { ParsedStatement } from "../../pgsql/parse.ts";

/**
 * Where a file of another tool starts to undo what it did, in UTF-16 units: run as a whole it would do nothing in the
 * end, or worse. dbmate, goose, sql-migrate and node-pg-migrate mark that part by a comment.
 */
export function findDownPart(
  script: string,
  statements: readonly ParsedStatement[],
): number | null {
  for (const { index } of script.matchAll(mark)) {
    const before = statements.findLast(({ offset }) => offset < index);
    const isInside = before !== undefined && index < before.offset + before.text.length;
    if (!isInside && statements.some(({ offset }) => offset > index)) return index;
  }
  return null;
}

const mark =
  /(?<=^[ \t]*)--[ \t]*(?:migrate:down|\+[ \t]*(?:goose|migrate)[ \t]+down|down migration)\b/gim;
