import { createHash } from "node:crypto";
import type { History } from "../core/history.ts";

/** The same for every bake of a history, and another one for another history. */
export function saltOf({ tool, revisions }: History): string {
  const [first = ""] = revisions.keys();
  return sha256(`preflight rows of ${tool.name} ${first}`);
}

/** No value is in a ledger. PostgreSQL computes the same in `rowsMessage`. */
export function hashRow(salt: string, values: readonly (string | null)[]): string {
  const framed = values.map((value) => (value === null ? "-" : `${[...value].length}:${value}`));
  return sha256(`${salt}${framed.join("")}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
