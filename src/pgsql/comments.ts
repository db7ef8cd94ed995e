import { withParser } from "./parser.ts";

/** One that ends with its line, or a block. */
export type Comment = {
  /** With its marks. */
  readonly text: string;
  /** Of its first character, in UTF-16 units. */
  readonly offset: number;
};

/** The comments of a script that PostgreSQL takes. Throws `GaveUp` where it is too large. */
export async function readComments(script: string): Promise<readonly Comment[]> {
  if (!/--|\/\*/.test(script)) return [];
  const tokens = await withParser((parser) => parser.scan(script));
  const bytes = Buffer.from(script);
  let [read, offset] = [0, 0];
  return tokens
    .filter(({ isComment }) => isComment)
    .map(({ start, end }) => {
      offset += bytes.toString("utf8", read, start).length;
      read = start;
      return { text: bytes.toString("utf8", start, end), offset };
    });
}
