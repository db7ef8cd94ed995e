import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../core/quote.ts";
import type { TableName } from "../../core/version-table.ts";

/**
 * Makes the table, and its schema, where they are missing; where they are not, it needs no right and takes no lock.
 * (CREATE SCHEMA IF NOT EXISTS asks for rights on the database even where there is nothing to create.)
 * @param body in PL/pgSQL, of the table's quoted name
 */
export function makeTable(table: TableName, body: (name: string) => string): string {
  const { schema } = table;
  return `
DO ${quoteLiteral(`
BEGIN
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${quoteLiteral(schema)}) THEN
    CREATE SCHEMA ${quoteIdentifier(schema)};
  END IF;
  ${body(quoteQualified(table))}
END`)}`;
}
