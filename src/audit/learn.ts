import type {
  AlterObjectSchemaStmt,
  AlterTableCmd,
  ColumnDef,
  ColumnRef,
  Constraint,
  CreateDomainStmt,
  CreateFunctionStmt,
  CreateStmt,
  DropStmt,
  Node,
  RangeVar,
  RenameStmt,
} from "libpg-query";
import {
  commandsOf,
  inside,
  insideAll,
  isSame,
  lastWord,
  type Name,
  nameIn,
  nameOf,
  objectsIn,
  wordsIn,
} from "../pgsql/tree.ts";
import { type ColumnType, isSerial, typeOf } from "./types.ts";

/** What the statements read so far have made, as far as the rules ask for it. */
export type Known = {
  readonly tables: Table[];
  /** By name: is it volatile? */
  readonly functions: Map<string, boolean>;
  /** Names of domains whose values are checked. */
  readonly checkedDomains: Set<string>;
};

export type Table = {
  name: Name;
  /** The number of the file that made it. */
  readonly file: number;
  readonly isPartitioned: boolean;
  readonly columns: Map<string, Column>;
  readonly checks: Map<string, Check>;
};

type Column = {
  readonly file: number;
  readonly type: ColumnType;
  readonly isNotNull: boolean;
};

/** Of a table; `notNull` are the columns that it proves to hold no NULL. */
type Check = { readonly isValid: boolean; readonly notNull: readonly string[] };

export function nothingKnown(): Known {
  return { tables: [], functions: new Map(), checkedDomains: new Set() };
}

/** The newest of that name: without a schema in the statement there may be several. */
export function findTable({ tables }: Known, name: Name): Table | null {
  return tables.findLast((table) => isSame(table.name, name)) ?? null;
}

/** A valid constraint, or the column itself, says that there is no NULL. */
export function isKnownNotNull(known: Known, name: Name, column: string): boolean {
  const table = findTable(known, name);
  if (table === null) return false;
  if (table.columns.get(column)?.isNotNull === true) return true;
  return [...table.checks.values()].some(
    ({ isValid, notNull }) => isValid && notNull.includes(column),
  );
}

/** Takes over what a statement does, or one action of an `ALTER TABLE`. */
export function learn(known: Known, node: Node, file: number): void {
  if ("CreateStmt" in node) createTable(known, node.CreateStmt, file);
  else if ("CreateTableAsStmt" in node) addTable(known, node.CreateTableAsStmt.into?.rel, file);
  else if ("SelectStmt" in node && node.SelectStmt.intoClause !== undefined)
    addTable(known, node.SelectStmt.intoClause.rel, file);
  else if ("AlterTableStmt" in node) {
    const { relation } = node.AlterTableStmt;
    const table = findTable(known, nameOf(relation)) ?? addTable(known, relation, elsewhere);
    for (const action of commandsOf(node)) alterTable(table, action, file);
  } else if ("RenameStmt" in node) rename(known, node.RenameStmt);
  else if ("AlterObjectSchemaStmt" in node) move(known, node.AlterObjectSchemaStmt);
  else if ("DropStmt" in node) drop(known, node.DropStmt);
  else if ("CreateFunctionStmt" in node) createFunction(known, node.CreateFunctionStmt);
  else if ("CreateDomainStmt" in node) createDomain(known, node.CreateDomainStmt);
}

/** The number of no file: a table that was made by something else. */
const elsewhere = -1;

function createTable(known: Known, statement: CreateStmt, file: number): void {
  const { relation, tableElts = [], inhRelations, if_not_exists } = statement;
  if (if_not_exists === true && findTable(known, nameOf(relation)) !== null) return;
  const table = addTable(known, relation, file, statement.partspec !== undefined);
  for (const parent of insideAll("RangeVar", inhRelations))
    for (const [name, column] of findTable(known, nameOf(parent))?.columns ?? [])
      table.columns.set(name, { ...column, file });
  for (const element of tableElts) {
    if ("ColumnDef" in element) addColumn(table, element.ColumnDef, file);
    if ("Constraint" in element) addConstraint(table, element.Constraint);
  }
}

function addTable(
  known: Known,
  relation: RangeVar | undefined,
  file: number,
  isPartitioned = false,
): Table {
  const table: Table = {
    name: nameOf(relation),
    file,
    isPartitioned,
    columns: new Map(),
    checks: new Map(),
  };
  known.tables.push(table);
  return table;
}

function alterTable(table: Table, action: AlterTableCmd, file: number): void {
  const { subtype, name = "" } = action;
  const before = table.columns.get(name);
  const column = inside("ColumnDef", action.def);
  const constraint = inside("Constraint", action.def);
  switch (subtype) {
    case "AT_AddColumn":
      if (column !== null && !table.columns.has(column.colname ?? ""))
        addColumn(table, column, file);
      return;
    case "AT_DropColumn":
      table.columns.delete(name);
      return;
    case "AT_AlterColumnType":
      if (before !== undefined && column !== null)
        table.columns.set(name, { ...before, type: typeOf(column.typeName) });
      return;
    case "AT_SetNotNull":
    case "AT_DropNotNull":
      if (before !== undefined)
        table.columns.set(name, { ...before, isNotNull: subtype === "AT_SetNotNull" });
      return;
    case "AT_AddConstraint":
      if (constraint !== null) addConstraint(table, constraint);
      return;
    case "AT_ValidateConstraint":
      table.checks.set(name, { notNull: [], ...table.checks.get(name), isValid: true });
      return;
    case "AT_DropConstraint":
      table.checks.delete(name);
      return;
    default:
  }
}

function addColumn(table: Table, column: ColumnDef, file: number): void {
  const { colname = "", typeName, constraints } = column;
  const own = insideAll("Constraint", constraints);
  const isNotNull = own.some(({ contype }) =>
    ["CONSTR_NOTNULL", "CONSTR_PRIMARY", "CONSTR_IDENTITY"].includes(contype ?? ""),
  );
  table.columns.set(colname, {
    file,
    type: typeOf(typeName),
    isNotNull: isNotNull || isSerial(typeName),
  });
  for (const constraint of own) addConstraint(table, constraint);
}

function addConstraint(table: Table, constraint: Constraint): void {
  const { contype, conname, raw_expr, skip_validation = false } = constraint;
  const keys = (constraint.keys ?? []).flatMap(wordsIn);
  const isValid = !skip_validation;
  if (contype === "CONSTR_PRIMARY")
    for (const key of keys) {
      const column = table.columns.get(key);
      if (column !== undefined) table.columns.set(key, { ...column, isNotNull: true });
    }
  if (contype === "CONSTR_CHECK")
    table.checks.set(conname ?? nameOfCheck(table, raw_expr), {
      isValid,
      notNull: notNullIn(raw_expr),
    });
  // In ADD CONSTRAINT; a column's own has no keys.
  if (contype === "CONSTR_NOTNULL" && keys.length > 0)
    table.checks.set(conname ?? `${table.name.name}_${keys[0]}_not_null`, {
      isValid,
      notNull: keys,
    });
}

/** As PostgreSQL calls one that has no name: after its column, if it is about one alone. */
function nameOfCheck({ name: { name }, checks }: Table, condition: Node | undefined): string {
  const columns = new Set(insideAll("ColumnRef", objectsIn(condition)).flatMap(fieldOf));
  const base = [name, ...(columns.size === 1 ? columns : []), "check"].join("_");
  let free = base;
  for (let number = 1; checks.has(free); number += 1) free = `${base}${number}`;
  return free;
}

function fieldOf({ fields = [] }: ColumnRef): readonly string[] {
  return fields.flatMap(wordsIn).slice(-1);
}

/** The columns of which a condition says that they are not NULL. */
function notNullIn(condition: Node | undefined): readonly string[] {
  const { boolop, args = [] } = inside("BoolExpr", condition) ?? {};
  if (boolop === "AND_EXPR") return args.flatMap(notNullIn);
  const { nulltesttype, arg } = inside("NullTest", condition) ?? {};
  return nulltesttype === "IS_NOT_NULL" ? fieldOf(inside("ColumnRef", arg) ?? {}) : [];
}

function rename(known: Known, statement: RenameStmt): void {
  const { renameType, relation, subname = "", newname = "" } = statement;
  const table = relation === undefined ? null : findTable(known, nameOf(relation));
  if (table === null) return;
  if (renameType === "OBJECT_TABLE" || renameType === "OBJECT_MATVIEW")
    table.name = { ...table.name, name: newname };
  if (renameType === "OBJECT_COLUMN") renameKey(table.columns, subname, newname);
  if (renameType === "OBJECT_TABCONSTRAINT") renameKey(table.checks, subname, newname);
}

function renameKey<Value>(values: Map<string, Value>, before: string, after: string): void {
  const value = values.get(before);
  if (value === undefined) return;
  values.delete(before);
  values.set(after, value);
}

function move(known: Known, { relation, newschema = "" }: AlterObjectSchemaStmt): void {
  const table = relation === undefined ? null : findTable(known, nameOf(relation));
  if (table !== null) table.name = { ...table.name, schema: newschema };
}

function drop(known: Known, { removeType, objects = [] }: DropStmt): void {
  if (removeType !== "OBJECT_TABLE" && removeType !== "OBJECT_MATVIEW") return;
  for (const object of objects) {
    const table = findTable(known, nameIn(object));
    if (table !== null) known.tables.splice(known.tables.indexOf(table), 1);
  }
}

function createFunction(known: Known, { funcname, options }: CreateFunctionStmt): void {
  const said = insideAll("DefElem", options).find(({ defname }) => defname === "volatility");
  const [volatility = "volatile"] = wordsIn(said?.arg);
  known.functions.set(lastWord(funcname), volatility === "volatile");
}

function createDomain(known: Known, { domainname, constraints }: CreateDomainStmt): void {
  const kinds = insideAll("Constraint", constraints).map(({ contype }) => contype);
  if (kinds.includes("CONSTR_CHECK") || kinds.includes("CONSTR_NOTNULL"))
    known.checkedDomains.add(lastWord(domainname));
}
