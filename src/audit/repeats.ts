import type {
  AlterEnumStmt,
  AlterTableCmd,
  InsertStmt,
  IntoClause,
  Node,
  RangeVar,
} from "libpg-query";
import { commandsOf, inside, insideAll, objectsIn, wordsIn } from "../pgsql/tree.ts";

/**
 * What a statement lacks that can be run a second time and does nothing then; null: it lacks nothing.
 * @param gone names that statements before it have dropped; those of this one are added
 */
export function missingGuard(node: Node, gone: Set<string>): string | null {
  const [action] = commandsOf(node);
  if (action !== undefined) return missingOfAction(action, gone);
  if ("DropStmt" in node) {
    const { objects = [], missing_ok = false } = node.DropStmt;
    for (const object of objects) gone.add(wordsIn(object).at(-1) ?? "");
    return missing_ok ? null : "IF EXISTS";
  }
  if ("InsertStmt" in node) return missingOfInsert(node.InsertStmt);
  if ("CopyStmt" in node && node.CopyStmt.is_from === true)
    return "a temporary table to copy into, and INSERT … SELECT … ON CONFLICT DO NOTHING";
  if ("RenameStmt" in node) return lookForOldName;
  if ("AlterEnumStmt" in node) return missingOfValue(node.AlterEnumStmt);
  return missingOfCreation(node, gone);
}

function missingOfAction(action: AlterTableCmd, gone: Set<string>): string | null {
  const { subtype, name = "", missing_ok = false } = action;
  switch (subtype) {
    case "AT_AddColumn":
      return missing_ok || gone.has(inside("ColumnDef", action.def)?.colname ?? "")
        ? null
        : "IF NOT EXISTS";
    case "AT_AddConstraint":
      return gone.has(inside("Constraint", action.def)?.conname ?? "")
        ? null
        : "DROP CONSTRAINT IF EXISTS before it";
    case "AT_DropColumn":
    case "AT_DropConstraint":
      gone.add(name);
      return missing_ok ? null : "IF EXISTS";
    default:
      return null;
  }
}

function missingOfInsert({ onConflictClause, selectStmt: rows }: InsertStmt): string | null {
  if (onConflictClause !== undefined) return null;
  const condition = inside("SelectStmt", rows)?.whereClause;
  // INSERT … SELECT … WHERE NOT EXISTS (…) looks before it writes.
  const looks = insideAll("BoolExpr", objectsIn(condition)).some(
    ({ boolop }) => boolop === "NOT_EXPR",
  );
  return looks
    ? null
    : "ON CONFLICT DO NOTHING, with a unique constraint that tells the rows apart";
}

function missingOfValue({ oldVal, skipIfNewValExists = false }: AlterEnumStmt): string | null {
  if (oldVal !== undefined) return lookForOldName;
  return skipIfNewValExists ? null : "IF NOT EXISTS";
}

function missingOfCreation(node: Node, gone: ReadonlySet<string>): string | null {
  const [[kind, body] = ["", {}]] = Object.entries(node) as [string, Creation][];
  const guard = guards[kind];
  const isMade = kind !== "SelectStmt" || body.intoClause !== undefined;
  if (guard === undefined || !isMade || gone.has(nameOfNew(body))) return null;
  // A temporary table is gone with its session.
  if (kind === "CreateStmt" && body.relation?.relpersistence === "t") return null;
  // What an interrupted one leaves INVALID is a verdict of its own, which says what to do.
  if (body.concurrent === true) return null;
  return body.if_not_exists === true || body.replace === true ? null : guard;
}

/** The fields of all statements that create something and say whether they do it again. */
type Creation = Partial<
  Record<"if_not_exists" | "replace" | "concurrent", boolean> &
    Record<"idxname" | "schemaname" | "extname" | "trigname" | "rulename" | "policy_name", string> &
    Record<"role", string> &
    Record<"funcname" | "typeName" | "domainname", Node[]> &
    Record<"relation" | "sequence" | "view" | "typevar", RangeVar> &
    Record<"into" | "intoClause", IntoClause>
>;

const lookForOldName = "a DO block around it that looks for the old name";
const dropFirst = "DROP … IF EXISTS before it";

const guards: Readonly<Record<string, string>> = {
  CompositeTypeStmt: dropFirst,
  CreateDomainStmt: dropFirst,
  CreateEnumStmt: dropFirst,
  CreateExtensionStmt: "IF NOT EXISTS",
  CreateFunctionStmt: "OR REPLACE",
  CreatePolicyStmt: dropFirst,
  CreateRangeStmt: dropFirst,
  CreateRoleStmt: "a DO block around it that looks for the role",
  CreateSchemaStmt: "IF NOT EXISTS",
  CreateSeqStmt: "IF NOT EXISTS",
  CreateStmt: "IF NOT EXISTS",
  CreateTableAsStmt: "IF NOT EXISTS",
  CreateTrigStmt: dropFirst,
  IndexStmt: "IF NOT EXISTS",
  RuleStmt: "OR REPLACE",
  SelectStmt: "IF NOT EXISTS, as CREATE TABLE … AS can have it",
  ViewStmt: "OR REPLACE",
};

/** A trigger's, a policy's or an index's own name goes before that of its table. */
function nameOfNew(body: Creation): string {
  const list = body.funcname ?? body.domainname ?? body.typeName ?? [];
  const relation =
    body.sequence ??
    body.view ??
    body.typevar ??
    body.into?.rel ??
    body.intoClause?.rel ??
    body.relation;
  return (
    body.idxname ??
    body.schemaname ??
    body.extname ??
    body.trigname ??
    body.rulename ??
    body.policy_name ??
    body.role ??
    list.flatMap(wordsIn).at(-1) ??
    relation?.relname ??
    ""
  );
}
