import { createHash } from "node:crypto";
import { parseSql } from "../../pgsql/parse.ts";

/**
 * What Supabase's own tool records as a file's statements: the file cut behind every semicolon that
 * ends a statement, comments and all, each piece trimmed, and what is then empty left out. PostgreSQL
 * cuts at the same places, but makes no statement of what stands alone: a comment at the end, say.
 */
export async function recordedStatements(text: string): Promise<readonly string[]> {
  const parsed = await parseSql(text);
  const statements = parsed.kind === "parsed" ? parsed.statements : [];
  const pieces: string[] = [];
  let [start, gap] = [0, 0];
  for (const { offset, text: statement } of [...statements, { offset: text.length, text: "" }]) {
    for (const end of semicolons(text.slice(gap, offset))) {
      pieces.push(text.slice(start, gap + end));
      start = gap + end;
    }
    gap = offset + statement.length;
  }
  return [...pieces, text.slice(start)].map(trim).filter((piece) => piece !== "");
}

/** Behind each semicolon between two statements, where else only blanks and comments can stand. */
function semicolons(gap: string): readonly number[] {
  const ends: number[] = [];
  let [at, depth] = [0, 0];
  for (;;) {
    const mark = depth === 0 ? /--[^\n\r]*|\/\*|;/g : /\/\*|\*\//g;
    mark.lastIndex = at;
    const found = mark.exec(gap)?.[0];
    if (found === undefined) return ends;
    at = mark.lastIndex;
    if (found === ";") ends.push(at);
    else if (found === "/*") depth += 1;
    else if (found === "*/") depth -= 1;
  }
}

/** At a file's end it takes a semicolon away even from a comment. */
function trim(piece: string): string {
  return piece.replace(/;+$/, "").trim();
}

/**
 * What a file says, however it was cut into statements and trimmed: the text of a row of Supabase's
 * version table that gives another digest was another one. `version-table.ts` says the
 * same in SQL. Not md5, which fails on FIPS builds of PostgreSQL.
 */
export function digestOf(text: string): string {
  const said = text.trim().replace(/[ \t\n\v\f\r;]+/g, "");
  return createHash("sha256").update(said).digest("hex");
}
