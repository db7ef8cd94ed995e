import type { ToolName } from "./revision.ts";

/** How a tool orders its numbered files: by number. Supabase compares versions as text. */
export function versionOrder(tool: ToolName): (one: string, other: string) => number {
  return tool === "supabase" ? compareText : compareNumbers;
}

/** What is no number comes last. */
function compareNumbers(one: string, other: string): number {
  const [a, b] = [numberOf(one), numberOf(other)];
  if (a !== null && b !== null && a !== b) return a < b ? -1 : 1;
  if ((a === null) !== (b === null)) return a === null ? 1 : -1;
  return compareText(one, other);
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one === other ? 0 : 1;
}

function numberOf(version: string): bigint | null {
  return /^\d+$/.test(version) ? BigInt(version) : null;
}
