import { quoteIdentifier } from "./quote.ts";
import type { TableName } from "./version-table.ts";

// What a person can paste, as the owner of the thing or a superuser; each may be said again without harm.

export function grantUse({ schema }: Pick<TableName, "schema">, role: string): string {
  return `GRANT USAGE ON SCHEMA ${spell(schema)} TO ${spell(role)}`;
}

export function grantCreate({ schema }: Pick<TableName, "schema">, role: string): string {
  return `GRANT USAGE, CREATE ON SCHEMA ${spell(schema)} TO ${spell(role)}`;
}

export function grantCreateSchema(database: string, role: string): string {
  return `GRANT CREATE ON DATABASE ${spell(database)} TO ${spell(role)}`;
}

export function grantRead(table: TableName, role: string): string {
  return `GRANT SELECT ON ${nameOf(table)} TO ${spell(role)}`;
}

export function grantWrite(table: TableName, role: string): string {
  return `GRANT SELECT, INSERT, UPDATE, DELETE ON ${nameOf(table)} TO ${spell(role)}`;
}

export function letThroughRowSecurity(
  table: TableName,
  role: string,
  what: "reads" | "everything",
): string {
  const [name, command] =
    what === "reads" ? ["preflight_reads", "FOR SELECT "] : ["preflight_writes", ""];
  return `CREATE POLICY ${name} ON ${nameOf(table)} ${command}TO ${spell(role)} USING (true)`;
}

export function widen(table: TableName, column: string, width: number): string {
  return `ALTER TABLE ${nameOf(table)} ALTER COLUMN ${column} TYPE VARCHAR(${width})`;
}

function nameOf({ schema, name }: TableName): string {
  return `${spell(schema)}.${spell(name)}`;
}

/** Plain where it is certain that PostgreSQL reads it so: no key word but some of these first words holds an underscore. */
function spell(name: string): string {
  const isPlain = /^(?!current_|session_|system_)[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/.test(name);
  return isPlain || name === "public" ? name : quoteIdentifier(name);
}
