import type { Sketch, TableName } from "../../core/revision.ts";
import { parseSql } from "../../pgsql/parse.ts";
import { sketchStatement } from "../../pgsql/sketch.ts";
import { asTargets } from "./bindings.ts";
import { readLiteral } from "./literals.ts";
import { type Node, splitAt } from "./syntax-node.ts";

/**
 * The tables and columns that `upgrade()` names in calls of `op` and of batch operations, and in SQL that it executes, in order. Calls
 * whose names or texts are computed are left out.
 */
export async function readSketch(script: Node): Promise<Sketch> {
  const found: Promise<Sketch>[] = [];
  const batches = new Map<string, TableName>();
  const upgrade = script.children.findLast(isUpgrade);
  if (upgrade !== undefined) visit(upgrade);
  return (await Promise.all(found)).flat();

  function visit(node: Node): void {
    if (node.kind === "WithStatement") openBatches(node, batches);
    const call = node.kind === "CallExpression" ? readCall(node) : null;
    const batch = batches.get(call?.receiver ?? "") ?? null;
    if (call !== null && (call.receiver === "op" || batch !== null))
      found.push(Promise.resolve(readStep(call, batch)));
    const sql = call?.method === "execute" ? sqlOf(call) : null;
    if (sql !== null) found.push(sketchSql(sql));
    node.children.forEach(visit);
  }
}

/** What PostgreSQL would not take, such as a text with placeholders, says nothing. */
async function sketchSql(text: string): Promise<Sketch> {
  if (!/\b(?:create|alter|drop)\b[^]*\btable\b/i.test(text)) return [];
  const parsed = await parseSql(text);
  return parsed.kind === "parsed"
    ? parsed.statements.flatMap(({ node }) => sketchStatement(node))
    : [];
}

/** `op.execute("…")`, `connection.execute(sa.text("…"))` */
function sqlOf(call: Call): string | null {
  const given = argument(call, 0, "sqltext");
  const wrapped = given?.kind === "CallExpression" ? readCall(given) : null;
  return text(wrapped?.method === "text" ? argument(wrapped, 0, "text") : given);
}

/** A later one replaces an earlier. */
function isUpgrade({ kind, children }: Node): boolean {
  if (kind === "DecoratedStatement") return children.some(isUpgrade);
  return kind === "FunctionDefinition" && children[1]?.text === "upgrade";
}

/** `with op.batch_alter_table("t") as batch_op:`: the variable stands for the table until it is bound again. */
function openBatches(statement: Node, batches: Map<string, TableName>): void {
  for (const { value, target } of asTargets(statement.children)) {
    const call = value?.kind === "CallExpression" ? readCall(value) : null;
    if (call?.receiver !== "op" || call.method !== "batch_alter_table") continue;
    const table = tableOf(call, null);
    if (table === null) batches.delete(target.text);
    else batches.set(target.text, table);
  }
}

type Call = {
  /** "" where it is more than one name. */
  readonly receiver: string;
  readonly method: string;
  readonly arguments: readonly Argument[];
};

/** `value` is null where it stands for several, as in `*columns`. */
type Argument = { readonly keyword: string | null; readonly value: Node | null };

/** `receiver.method(…)`, or `method(…)`. */
function readCall({ children: [called, list] }: Node): Call {
  const [receiver, , method] = called?.kind === "MemberExpression" ? called.children : [];
  return {
    receiver: receiver?.kind === "VariableName" ? receiver.text : "",
    method: (method ?? called)?.text ?? "",
    arguments: splitAt(list?.children.slice(1, -1) ?? [], ",").map(([first, second, third]) => {
      if (second?.text === "=") return { keyword: first?.text ?? "", value: third ?? null };
      return { keyword: null, value: second === undefined ? (first ?? null) : null };
    }),
  };
}

function readStep(call: Call, batch: TableName | null): Sketch {
  const table = tableOf(call, batch);
  if (table === null) return [];
  // Inside a batch the table is not an argument.
  const next = batch === null ? 1 : 0;
  switch (call.method) {
    case "create_table": {
      const columns = call.arguments.slice(1).flatMap(({ value }) => columnOf(value) ?? []);
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
  const schema = argument(call, null, "schema");
  if (name === null) return null;
  if (schema === null || schema.kind === "None") return { schema: null, name };
  const schemaName = text(schema);
  return schemaName === null ? null : { schema: schemaName, name };
}

/** By position (null: only by keyword) or by keyword; null where it is not given. */
function argument(call: Call, position: number | null, keyword: string): Node | null {
  const named = call.arguments.find((given) => given.keyword === keyword);
  if (named !== undefined) return named.value;
  const given = position === null ? undefined : call.arguments[position];
  return given?.keyword === null ? given.value : null;
}

function text(expression: Node | null): string | null {
  const literal = expression === null ? null : readLiteral(expression);
  return literal?.kind === "text" ? literal.text : null;
}

/** The name in `sa.Column("name", …)`, also `Column(…)` and `Column(type, name="name")`. */
function columnOf(expression: Node | null): string | null {
  if (expression?.kind !== "CallExpression") return null;
  const call = readCall(expression);
  return call.method === "Column" ? text(argument(call, 0, "name")) : null;
}
