/** A piece of Python, without its comments. */
export type Node = {
  /** A name of `@lezer/python`'s grammar; of a keyword or a mark the token itself; "⚠" where the grammar is at a loss. */
  readonly kind: string;
  /** As written. */
  readonly text: string;
  /** Offset in the text, and line from 1. */
  readonly at: number;
  readonly line: number;
  readonly children: readonly Node[];
};
