import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeSource } from "./source.ts";
import { parsePython } from "./syntax-tree.ts";
import { environmentKeepsTransaction } from "./transaction.ts";

/**
 * Whether `env.py` leaves each revision in one transaction. What it imports is not followed: a replay shows what that
 * does. One that cannot be read is in doubt.
 */
export async function keepsRevisionsWhole(scriptDirectory: string): Promise<boolean> {
  const bytes = await readFile(join(scriptDirectory, "env.py")).catch(() => null);
  const decoded = bytes === null ? null : decodeSource(bytes);
  if (decoded?.kind !== "text") return false;
  const parsed = await parsePython(decoded.text);
  return parsed.kind === "tree" && environmentKeepsTransaction(parsed.script);
}
