import { comparison, domainMark } from "../core/extras.ts";
import type { Fact } from "../core/facts.ts";
import { quoteLiteral, quoteTextArray } from "../core/quote.ts";
import { pinSettings } from "./facts.sql.ts";

/**
 * What PostgreSQL evaluates for these indexes and columns whenever a row is written, as `Fact.evaluates` has it. Out of the stored
 * expressions, which name every function by its oid, also where the text that is printed hides a cast.
 * @param facts of the kinds index and column
 * @param patience milliseconds to wait for a lock that another session holds
 */
export function evaluatedMessage(facts: readonly Fact[], patience: number): string {
  return `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
SET LOCAL lock_timeout = ${Math.max(1, Math.round(patience))};
${pinSettings}
WITH RECURSIVE
asked(k, o, n, relation) AS (
  SELECT k, o, n, to_regclass(o)
  FROM unnest(${quoteTextArray(facts.map(({ kind }) => kind))}, ${quoteTextArray(facts.map(({ object }) => object))}, ${quoteTextArray(facts.map(({ name }) => name))}) AS a (k, o, n)
),
expression(k, o, n, tree) AS (
  SELECT a.k, a.o, a.n, concat(i.indexprs::text, ' ', i.indpred::text)
  FROM asked a
  JOIN pg_index i ON i.indrelid = a.relation
  JOIN pg_class c ON c.oid = i.indexrelid AND c.relname::text = a.n
  WHERE a.k = 'index'
  UNION ALL
  SELECT a.k, a.o, a.n, e.adbin::text
  FROM asked a
  JOIN pg_attribute t ON t.attrelid = a.relation AND t.attname::text = a.n AND t.attgenerated <> ''
  JOIN pg_attrdef e ON e.adrelid = t.attrelid AND e.adnum = t.attnum
  WHERE a.k = 'column'
),
domain(k, o, n, type) AS (          -- the column's own, and those that it is built on
  SELECT a.k, a.o, a.n, t.atttypid
  FROM asked a
  JOIN pg_attribute t ON t.attrelid = a.relation AND t.attname::text = a.n
  WHERE a.k = 'column'
  UNION ALL
  SELECT d.k, d.o, d.n, t.typbasetype
  FROM domain d
  JOIN pg_type t ON t.oid = d.type AND t.typtype = 'd'
),
called(k, o, n, what) AS (
  SELECT k, o, n, construct[1]
  FROM expression, regexp_matches(tree, '[{]([A-Z]+)', 'g') AS construct
  UNION ALL
  SELECT k, o, n, 'the whole row' FROM expression WHERE tree ~ ':varattno 0 '
  UNION ALL
  SELECT k, o, n, function[1]::oid::regprocedure::text
  FROM expression, regexp_matches(tree, ':funcid ([0-9]+)', 'g') AS function
  UNION ALL
  SELECT k, o, n,
         CASE WHEN o.oid < 16384 AND EXISTS (
                SELECT FROM pg_amop m JOIN pg_am am ON am.oid = m.amopmethod
                WHERE am.amname IN ('btree', 'hash') AND m.amopopr IN (o.oid, o.oprnegate)
                  AND m.amoplefttype < 16384 AND m.amoprighttype < 16384)
              AND NOT EXISTS (
                SELECT FROM pg_type t
                WHERE t.oid IN (o.oprleft, o.oprright) AND t.typtype = 'p' AND t.typname <> 'anyenum')
              THEN ${quoteLiteral(comparison)}
              ELSE o.oprcode::oid::regprocedure::text END
  FROM expression, regexp_matches(tree, ':opno ([0-9]+)', 'g') AS operator
  JOIN pg_operator o ON o.oid = operator[1]::oid
  UNION ALL
  SELECT d.k, d.o, d.n, ${quoteLiteral(domainMark)} || format_type(d.type, NULL)
  FROM domain d
  JOIN pg_type t ON t.oid = d.type AND t.typtype = 'd'
  WHERE t.typnotnull OR EXISTS (SELECT FROM pg_constraint c WHERE c.contypid = t.oid)
)
SELECT k, o, n, array_to_json(array_agg(DISTINCT what)) AS evaluates
FROM called
GROUP BY k, o, n;
COMMIT`;
}
