import { enumerate } from "./words.ts";

/** What a program's output gives as the reason of its failure, as far as it has come. */
export type Complaint = {
  readonly line: string | null;
  /**
   * Of a traceback of Python's, the frames are passed over, and nothing that follows its error counts. Nor does what follows an error
   * and then a usage: a command that no plugin brought, because the application that brings it was not found.
   */
  readonly at: "anywhere" | "frames" | "error";
};

/** What every traceback of Python's begins with. */
export const traceback = "Traceback (most recent call last)";

export const noComplaint: Complaint = { line: null, at: "anywhere" };

/**
 * The complaint after one more line of output: the last traceback's error, else the last line. SQLAlchemy goes on after its
 * errors, with the statement, its parameters and an address of its documentation.
 */
export function followComplaint(before: Complaint, line: string): Complaint {
  if (line.startsWith(traceback)) return { ...before, at: "frames" };
  const isText = line.trim() !== "";
  switch (before.at) {
    case "anywhere":
      if (line.startsWith("Usage: ") && before.line?.startsWith("Error: ") === true)
        return { ...before, at: "error" };
      return isText ? { line, at: "anywhere" } : before;
    case "frames":
      return isText && !/^\s/.test(line) ? { line, at: "error" } : before;
    case "error":
      return before;
  }
}

/** With the names that a message of several lines brings. */
export function withNames(complaint: string, names: readonly string[]): string {
  const more = names.filter((name) => !complaint.includes(name));
  return more.length === 0 ? complaint : `${complaint}: ${enumerate(more, 20)}`;
}
