import type { Sketch, SketchStep, TableName } from "../../core/revision.ts";
import { readLiteral, splitAtCommas } from "./literals.ts";
import type { Line, Token } from "./tokens.ts";

/**
 * The tables and columns that `upgrade()` names in calls of `op` and of batch operations, in order. Calls whose names are
 * computed are left out, and so is whatever runs as SQL text.
 */
export function readSketch(lines: readonly Line[]): Sketch {
  const steps: SketchStep[] = [];
  const batches = new Map<string, TableName>();
  for (const tokens of upgradeBody(lines))
    for (const call of callsIn(tokens, (name) => name === "op" || batches.has(name))) {
      const batch = batches.get(call.receiver) ?? null;
      if (call.method === "batch_alter_table") openBatch(batches, tokens, call);
      else steps.push(...readStep(call, batch));
    }
  return steps;
}

/** The statements of the last `def upgrade` at the top level: a later one replaces an earlier. */
function upgradeBody(lines: readonly Line[]): readonly (readonly Token[])[] {
  const start = lines.findLastIndex(
    ({ depth, tokens }) =>
      depth === 0 && tokens[0]?.text === "def" && tokens[1]?.text === "upgrade",
  );
  if (start === -1) return [];
  const after = lines.slice(start + 1);
  const length = after.findIndex((line) => line.depth === 0);
  return [lines[start], ...(length === -1 ? after : after.slice(0, length))].map(
    (line) => line?.tokens ?? [],
  );
}

type Call = {
  readonly receiver: string;
  readonly method: string;
  readonly arguments: readonly (readonly Token[])[];
};

/** Every `name.method(…)` of a statement whose receiver is meant and not part of a longer chain. */
function callsIn(
  tokens: readonly Token[],
  isMeant: (receiver: string) => boolean,
): readonly Call[] {
  const calls: Call[] = [];
  for (let at = 0; at + 3 < tokens.length; at += 1) {
    if (tokens[at + 1]?.text !== "." || tokens[at + 3]?.text !== "(") continue;
    const [receiver, method] = [tokens[at], tokens[at + 2]];
    if (receiver === undefined || method === undefined || !isMeant(receiver.text)) continue;
    if (tokens[at - 1]?.text === ".") continue;
    const given = argumentsFrom(tokens, at + 3);
    calls.push({ receiver: receiver.text, method: method.text, arguments: given });
  }
  return calls;
}

function argumentsFrom(tokens: readonly Token[], open: number): readonly (readonly Token[])[] {
  let depth = 0;
  for (let at = open; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token?.kind !== "operator") continue;
    if ("([{".includes(token.text)) depth += 1;
    if (")]}".includes(token.text)) depth -= 1;
    if (depth === 0) return splitAtCommas(tokens.slice(open + 1, at));
  }
  return [];
}

/** `with op.batch_alter_table("t") as batch_op:`: the variable stands for the table until it is bound again. */
function openBatch(batches: Map<string, TableName>, tokens: readonly Token[], call: Call): void {
  const variable = tokens[tokens.findIndex((token) => token.text === "as") + 1]?.text;
  if (variable === undefined) return;
  const table = tableOf(call, null);
  if (table === null) batches.delete(variable);
  else batches.set(variable, table);
}

function readStep(call: Call, batch: TableName | null): readonly SketchStep[] {
  const table = tableOf(call, batch);
  if (table === null) return [];
  // Inside a batch the table is not an argument.
  const next = batch === null ? 1 : 0;
  switch (call.method) {
    case "create_table": {
      const columns = call.arguments.slice(1).flatMap((argument) => columnOf(argument) ?? []);
      return [{ kind: "create-table", table, columns }];
    }
    case "drop_table":
      return [{ kind: "drop-table", table }];
    case "rename_table": {
      const to = text(argument(call, 1, "new_table_name"));
      return to === null ? [] : [{ kind: "rename-table", table, to }];
    }
    case "add_column": {
      const column = columnOf(argument(call, next, "column"));
      return column === null ? [] : [{ kind: "add-column", table, column }];
    }
    case "drop_column": {
      const column = text(argument(call, next, "column_name"));
      return column === null ? [] : [{ kind: "drop-column", table, column }];
    }
    case "alter_column": {
      const column = text(argument(call, next, "column_name"));
      const to = text(argument(call, null, "new_column_name"));
      return column === null || to === null ? [] : [{ kind: "rename-column", table, column, to }];
    }
    default:
      return [];
  }
}

function tableOf(call: Call, batch: TableName | null): TableName | null {
  if (batch !== null) return batch;
  const keyword = call.method === "rename_table" ? "old_table_name" : "table_name";
  const name = text(argument(call, 0, keyword));
  const schema = readLiteral(argument(call, null, "schema") ?? []);
  if (name === null) return null;
  if (argument(call, null, "schema") === null || schema.kind === "none")
    return { schema: null, name };
  return schema.kind === "text" ? { schema: schema.text, name } : null;
}

/** By position (null: only by keyword) or by keyword; null where it is not given. */
function argument(call: Call, position: number | null, keyword: string): readonly Token[] | null {
  for (const given of call.arguments)
    if (given[0]?.text === keyword && given[1]?.text === "=") return given.slice(2);
  const given = position === null ? undefined : call.arguments[position];
  return given === undefined || given[1]?.text === "=" ? null : given;
}

function text(tokens: readonly Token[] | null): string | null {
  const literal = readLiteral(tokens ?? []);
  return literal.kind === "text" ? literal.text : null;
}

/** The name in `sa.Column("name", …)`, also `Column(…)` and `Column(type, name="name")`. */
function columnOf(tokens: readonly Token[] | null): string | null {
  const open = tokens?.findIndex((token) => token.text === "(") ?? -1;
  if (tokens === null || open < 1 || tokens[open - 1]?.text !== "Column") return null;
  const call: Call = { receiver: "", method: "Column", arguments: argumentsFrom(tokens, open) };
  return text(argument(call, 0, "name"));
}
