import type { HeaderEntry } from "../../core/migration.ts";
import { type Comment, readComments } from "../../pgsql/parser.ts";

/**
 * What the comments before a file's first statement say of it: `-- Purpose: why it is there`. Lines without a label of
 * their own go on with the text above, to the end of the block of comments. `leading`: all that stands before the
 * first statement.
 */
export async function readHeader(leading: string): Promise<readonly HeaderEntry[]> {
  const blocks = toBlocks(leading, await readComments(leading));
  return blocks.flatMap(readBlock).filter(({ text }) => text !== "");
}

/** Lines of text without their marks; an empty line of the file, or one of ornaments, ends a block. */
function toBlocks(leading: string, comments: readonly Comment[]): readonly (readonly string[])[] {
  const blocks: string[][] = [[]];
  let end = 0;
  for (const { text, offset } of comments) {
    const between = toLines(leading.slice(end, offset));
    if (between.length > 2) blocks.push([]);
    for (const line of toLines(withoutMarks(text)).map((line) => line.trim()))
      if (ornament.test(line)) blocks.push([]);
      else if (!mark.test(line)) blocks.at(-1)?.push(line.replace(/^(?:\*|-+) */, ""));
    end = offset + text.length;
  }
  return blocks;
}

function toLines(text: string): readonly string[] {
  return text.split(/\r\n?|\n/);
}

function withoutMarks(comment: string): string {
  return comment.startsWith("--") ? comment.slice(2) : comment.slice(2, -2);
}

const ornament = /^\**([-=*#~_+])\1+$/;

/** A word to an editor, a linter or another tool. */
const mark = /^(?:ex|noqa|sqlfluff|vim?|migrate|spdx-[a-z-]+):|^\+(?:goose|migrate)\b/i;

function readBlock(lines: readonly string[]): readonly HeaderEntry[] {
  const entries: { readonly label: string; text: string }[] = [];
  for (const line of lines) {
    const [, label, text = ""] = labelled.exec(line) ?? [];
    const last = entries.at(-1);
    if (label !== undefined) entries.push({ label, text });
    else if (last !== undefined) last.text += `\n${line}`;
  }
  return entries.map(({ label, text }) => ({ label, text: text.trim() }));
}

/** One to four words and a colon that stands alone: `https://…` has none. */
const labelled = /^(\p{L}[^\s:;,.()'"]*(?: [^\s:;,.()'"]+){0,3}) ?:(?:\s+(.*))?$/u;
