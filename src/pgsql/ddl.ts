import type { ParsedStatement } from "./parse.ts";

/**
 * Changes the schema, or takes a lock that keeps others out. Everything does but statements about rows, the session or
 * the server; what a `DO` does is known from its words.
 */
export function isDdl({ node, text }: ParsedStatement): boolean {
  if ("DoStmt" in node) return /\b(?:alter|create|drop|truncate)\b/i.test(text);
  return !Object.keys(node).some((kind) => others.has(kind));
}

const others = new Set([
  "CallStmt",
  "CheckPointStmt",
  "ClosePortalStmt",
  "ConstraintsSetStmt",
  "CopyStmt",
  "DeallocateStmt",
  "DeclareCursorStmt",
  "DeleteStmt",
  "DiscardStmt",
  "ExecuteStmt",
  "ExplainStmt",
  "FetchStmt",
  "InsertStmt",
  "ListenStmt",
  "LoadStmt",
  "MergeStmt",
  "NotifyStmt",
  "PrepareStmt",
  "SelectStmt",
  "UnlistenStmt",
  "UpdateStmt",
  "VacuumStmt",
  "VariableSetStmt",
  "VariableShowStmt",
]);
