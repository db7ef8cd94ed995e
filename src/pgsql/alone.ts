import type { AlterSubscriptionStmt, Node, ReindexStmt } from "libpg-query";
import type { ParsedStatement } from "./parse.ts";
import { commandsOf, inside, insideAll } from "./tree.ts";

/**
 * What PostgreSQL (13 to 18) refuses inside a transaction block, as its message calls it; null: it takes the statement
 * there, as far as the text can tell. REINDEX and CLUSTER of a partitioned table, and a CALL whose procedure commits,
 * look like any other.
 */
export function nameAlone(node: Node): string | null {
  if ("IndexStmt" in node) return when(node.IndexStmt.concurrent, "CREATE INDEX CONCURRENTLY");
  if ("DropStmt" in node) return when(node.DropStmt.concurrent, "DROP INDEX CONCURRENTLY");
  if ("ReindexStmt" in node) return nameReindex(node.ReindexStmt);
  if ("VacuumStmt" in node) return when(node.VacuumStmt.is_vacuumcmd, "VACUUM");
  if ("ClusterStmt" in node)
    return when(node.ClusterStmt.relation === undefined, "CLUSTER of all tables");
  if ("AlterTableStmt" in node)
    return when(detachesConcurrently(node), "ALTER TABLE ... DETACH PARTITION CONCURRENTLY");
  if ("CreatedbStmt" in node) return "CREATE DATABASE";
  if ("DropdbStmt" in node) return "DROP DATABASE";
  if ("AlterDatabaseStmt" in node)
    return when(
      find(node.AlterDatabaseStmt.options, "tablespace") !== undefined,
      "ALTER DATABASE SET TABLESPACE",
    );
  if ("CreateTableSpaceStmt" in node) return "CREATE TABLESPACE";
  if ("DropTableSpaceStmt" in node) return "DROP TABLESPACE";
  if ("AlterSystemStmt" in node) return "ALTER SYSTEM";
  if ("DiscardStmt" in node) return when(node.DiscardStmt.target === "DISCARD_ALL", "DISCARD ALL");
  if ("CreateSubscriptionStmt" in node) {
    const { options } = node.CreateSubscriptionStmt;
    const createsSlot = isOn(options, "create_slot", isOn(options, "connect", true));
    return when(createsSlot, "CREATE SUBSCRIPTION ... WITH (create_slot = true)");
  }
  if ("AlterSubscriptionStmt" in node) return nameSubscription(node.AlterSubscriptionStmt);
  // One whose slot was given up before could be dropped in a transaction too.
  if ("DropSubscriptionStmt" in node) return "DROP SUBSCRIPTION";
  return null;
}

function when(condition: boolean | undefined, name: string): string | null {
  return condition === true ? name : null;
}

function nameReindex({ kind, params }: ReindexStmt): string | null {
  const [, many] = /^REINDEX_OBJECT_(DATABASE|SYSTEM|SCHEMA)$/.exec(kind ?? "") ?? [];
  if (many !== undefined) return `REINDEX ${many}`;
  return when(isOn(params, "concurrently", false), "REINDEX CONCURRENTLY");
}

function detachesConcurrently(node: Node): boolean {
  return commandsOf(node).some(({ def }) => inside("PartitionCmd", def)?.concurrent === true);
}

function nameSubscription({ kind, options }: AlterSubscriptionStmt): string | null {
  switch (kind) {
    case "ALTER_SUBSCRIPTION_REFRESH":
      return "ALTER SUBSCRIPTION ... REFRESH PUBLICATION";
    case "ALTER_SUBSCRIPTION_SET_PUBLICATION":
    case "ALTER_SUBSCRIPTION_ADD_PUBLICATION":
    case "ALTER_SUBSCRIPTION_DROP_PUBLICATION":
      return when(isOn(options, "refresh", true), "ALTER SUBSCRIPTION with refresh");
    case "ALTER_SUBSCRIPTION_OPTIONS":
      return when(
        find(options, "failover") !== undefined || !isOn(options, "two_phase", true),
        "ALTER SUBSCRIPTION ... SET of an option of its slot",
      );
    default:
      return null;
  }
}

// Options, as in `WITH (connect = false)`

function find(options: readonly Node[] | undefined, name: string) {
  return insideAll("DefElem", options).findLast(({ defname }) => defname === name);
}

/** An option without a value is on; zero has no number in the tree. */
export function isOn(
  options: readonly Node[] | undefined,
  name: string,
  otherwise = false,
): boolean {
  const option = find(options, name);
  if (option === undefined) return otherwise;
  const { arg } = option;
  if (arg === undefined) return true;
  if ("Integer" in arg) return (arg.Integer.ival ?? 0) !== 0;
  return !("String" in arg && /^(?:off|false)$/i.test(arg.String.sval ?? ""));
}

// What changes the schema

/**
 * Changes the schema, or takes a lock that keeps others out. Everything does but statements about rows, the session or
 * the server; what a `DO` does is known from its words.
 */
export function isDdl({ node, text }: ParsedStatement): boolean {
  if ("DoStmt" in node) return /\b(?:alter|create|drop|truncate)\b/i.test(text);
  return !Object.keys(node).some((kind) => notDdl.has(kind));
}

const notDdl: ReadonlySet<string> = new Set(
  `CallStmt CheckPointStmt ClosePortalStmt ConstraintsSetStmt CopyStmt DeallocateStmt DeclareCursorStmt
  DeleteStmt DiscardStmt ExecuteStmt ExplainStmt FetchStmt InsertStmt ListenStmt LoadStmt MergeStmt NotifyStmt
  PrepareStmt SelectStmt UnlistenStmt UpdateStmt VacuumStmt VariableSetStmt VariableShowStmt`.split(
    /\s+/,
  ),
);
