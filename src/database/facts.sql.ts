import { journalTable } from "../core/journal.ts";
import type { Scope } from "../core/knowledge.ts";
import { quoteTextArray } from "../core/quote.ts";
import { knownNamePart, knownVersionTables } from "./known-tables.ts";

export type FactsOptions = {
  /** Schemas to read, the home as `preflight.home` names it; null: every schema that is not the system's or an extension's. */
  readonly scope: Scope | null;
  /** Schemas left out, together with triggers and event triggers whose function lives in one of them. */
  readonly ignoreSchemas?: readonly string[];
  /** Whether kinds are read that few histories have: see `isRare`. */
  readonly rare?: boolean;
  /** Owners and privileges: those that a migration gave; those that are held here (by us: in whatever way), and which of these roles' we have; or none. */
  readonly rights?: "given" | "none" | { readonly heldBy: readonly string[] };
  /** Relations left out besides every known tool's version tables; schema null: in any schema. */
  readonly ignoreRelations?: readonly { readonly schema: string | null; readonly name: string }[];
};

/**
 * The head of a statement that reads the schema: `WITH …, facts(k, o, n, d) AS (…)`, where k is the kind,
 * o the object, n the name inside it and d the definition. A SELECT or further `, name AS (…)` go after it.
 * d is NULL only when an object vanished while it was read.
 *
 * Needs the settings of `pinSettings`; then the text is the same on every server of a major version.
 * Left out on purpose: tablespace, storage, compression, statistics targets, table reloptions, extension versions, a collation's
 * locale (each major spells it in its own way), a foreign server's options (each deployment has its own). NOT NULL rows of PostgreSQL 18 (contype n) are attributes of the column here.
 * It holds no backslash and no dollar sign, so that it can stand inside a function's body.
 */
export function factsQuery({
  scope,
  ignoreSchemas = [],
  rare = false,
  rights = "none",
  ignoreRelations = [],
}: FactsOptions): string {
  const left = [...knownVersionTables, ...ignoreRelations];
  const anywhere = left.filter(({ schema }) => schema === null).map(({ name }) => name);
  const qualified = left.filter(({ schema }) => schema !== null);
  return `
WITH RECURSIVE
ns AS MATERIALIZED (                       -- user schemas, without those an extension owns
  SELECT n.oid, n.nspname::text AS s
  FROM pg_catalog.pg_namespace n
  WHERE n.nspname <> ALL (ARRAY['pg_catalog','information_schema']::name[])
    AND n.nspname !~ '^pg_(toast|temp_)'
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
    ${inScope(scope)}
    AND n.nspname::text <> ALL (${quoteTextArray(ignoreSchemas)})
),
ext AS MATERIALIZED (                      -- everything an extension owns (one pass over pg_depend)
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
  WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
),
versions AS MATERIALIZED (                 -- version tables of every tool
  SELECT c.oid
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r','p','v','m','f')
    AND (strpos(c.relname::text, '${knownNamePart}') > 0
         OR c.relname::text = ANY (${quoteTextArray(anywhere)})
         OR (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest(${quoteTextArray(qualified.map(({ schema }) => schema ?? ""))}, ${quoteTextArray(qualified.map(({ name }) => name))})))
    -- an application whose schema has the name of ours may have a table of that name
    AND NOT (n.nspname = '${journalTable.schema}' AND c.relname = '${journalTable.name}' AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'rows_before'))
),
ignored AS MATERIALIZED (                  -- and what belongs to them, such as the sequence of an id
  SELECT oid FROM versions
  UNION ALL
  SELECT d.objid FROM versions
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = versions.oid
  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND d.deptype IN ('a','i')
),
unenforced AS (                            -- constraints with a trigger that is off, be it a partition's
  SELECT g.tgconstraint AS oid FROM pg_catalog.pg_trigger g WHERE g.tgisinternal AND g.tgconstraint <> 0 AND g.tgenabled IN ('D','R')
  UNION
  SELECT c.conparentid FROM unenforced JOIN pg_catalog.pg_constraint c ON c.oid = unenforced.oid WHERE c.conparentid <> 0
),
rel AS MATERIALIZED (                      -- all relations in scope, with their printable name q
  SELECT c.oid, c.relkind, ns.s, quote_ident(ns.s) || '.' || quote_ident(c.relname) AS q,
         c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relpartbound,
         c.reloftype, c.relam, c.reloptions, c.relreplident, c.relowner, c.relacl, c.relnamespace
  FROM pg_catalog.pg_class c JOIN ns ON ns.oid = c.relnamespace
  WHERE c.relkind IN ('r','p','f','v','m','S','c')
    AND c.relpersistence <> 't'
    AND NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid)
    -- (a composite type belongs to an extension by its row in pg_type alone)
    AND NOT EXISTS (SELECT 1 FROM ext e WHERE c.relkind = 'c' AND e.classid = 'pg_catalog.pg_type'::regclass AND e.objid = c.reltype)
    AND NOT EXISTS (SELECT 1 FROM ignored WHERE ignored.oid = c.oid)
),
tab AS MATERIALIZED (SELECT * FROM rel WHERE relkind IN ('r','p','f','v','m')),
seqopt AS MATERIALIZED (                   -- sequence options, with the owning column if any
  SELECT s.seqrelid, d.deptype, d.refobjid, d.refobjsubid,
         concat('AS ', pg_catalog.format_type(s.seqtypid, NULL), ' START ', s.seqstart, ' INCREMENT ', s.seqincrement,
                ' MIN ', s.seqmin, ' MAX ', s.seqmax, ' CACHE ', s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' END) AS o
  FROM pg_catalog.pg_sequence s
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.seqrelid
       AND d.objsubid = 0 AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a','i')
),
routine AS MATERIALIZED (                  -- functions and procedures; before 14 the server leaves out a procedure's IN
  SELECT p.oid, p.prokind, p.proowner, p.proacl, p.pronamespace,
         quote_ident(ns.s) || '.' || quote_ident(p.proname) || '(' || coalesce(old.identity, pg_catalog.pg_get_function_identity_arguments(p.oid)) || ')' AS q,
         'CREATE OR REPLACE PROCEDURE ' || quote_ident(ns.s) || '.' || quote_ident(p.proname) || '(' AS head, old.arguments
  FROM pg_catalog.pg_proc p JOIN ns ON ns.oid = p.pronamespace
  CROSS JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', a.mode, a.name, a.type), ', ' ORDER BY a.n) AS identity,
           string_agg(concat_ws(' ', a.mode, a.name, a.type, 'DEFAULT ' || pg_catalog.pg_get_function_arg_default(p.oid, a.n::int)), ', ' ORDER BY a.n) AS arguments
    FROM (SELECT CASE x.mode WHEN 'b' THEN 'INOUT' WHEN 'v' THEN 'VARIADIC' ELSE 'IN' END AS mode,
                 quote_ident(nullif(x.name, '')) AS name, pg_catalog.format_type(x.type, NULL) AS type, x.n
          FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames)
               WITH ORDINALITY AS x (type, mode, name, n)
          WHERE p.prokind = 'p' AND current_setting('server_version_num')::int < 140000) a
  ) old
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid)
),
inh AS MATERIALIZED (                      -- parents of inherited tables and partitions
  SELECT i.inhrelid, string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno) AS p,
         bool_or(to_jsonb(i) ->> 'inhdetachpending' = 'true') AS leaving  -- (absent in 13)
  FROM pg_catalog.pg_inherits i JOIN rel ON rel.oid = i.inhrelid
  GROUP BY i.inhrelid
),
facts(k, o, n, d) AS (
  -- schemas and extensions
  SELECT 'schema', s, ''::text, ''::text FROM ns
  UNION ALL
  SELECT 'extension', e.extname::text, '', 'SCHEMA ' || quote_ident(n.nspname)
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
  WHERE e.extname <> 'plpgsql'

  -- relations
  UNION ALL
  SELECT CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'matview' WHEN 'f' THEN 'ftable'
              ELSE CASE WHEN r.relispartition THEN 'partition' ELSE 'table' END END, r.q, '',
         concat_ws(' ', r.relkind,
           CASE WHEN r.relpersistence = 'u' THEN 'UNLOGGED' END,
           CASE WHEN r.relrowsecurity THEN 'RLS' END, CASE WHEN r.relforcerowsecurity THEN 'FORCE RLS' END,
           CASE WHEN r.relkind = 'p' THEN 'PARTITION BY ' || pg_catalog.pg_get_partkeydef(r.oid) END,
           CASE WHEN r.relispartition THEN pg_catalog.pg_get_expr(r.relpartbound, r.oid) END,
           CASE WHEN inh.leaving THEN 'DETACH PENDING' END, 'INHERITS ' || inh.p,
           CASE WHEN r.reloftype <> 0 THEN 'OF ' || pg_catalog.format_type(r.reloftype, NULL) END,
           (SELECT 'USING ' || am.amname FROM pg_catalog.pg_am am WHERE am.oid = r.relam AND am.amname <> 'heap'),
           CASE WHEN r.relkind IN ('v') AND r.reloptions IS NOT NULL THEN 'WITH ' || array_to_string(r.reloptions, ',') END,
           CASE WHEN r.relkind = 'f' THEN (SELECT 'SERVER ' || quote_ident(fs.srvname) || ' ' || coalesce(ft.ftoptions::text,'')
              FROM pg_catalog.pg_foreign_table ft JOIN pg_catalog.pg_foreign_server fs ON fs.oid = ft.ftserver WHERE ft.ftrelid = r.oid) END)
  FROM tab r LEFT JOIN inh ON inh.inhrelid = r.oid
  UNION ALL                                -- a kind of its own: the text differs between majors
  SELECT 'viewdef', r.q, '', pg_catalog.pg_get_viewdef(r.oid) FROM rel r WHERE r.relkind IN ('v','m')
  UNION ALL
  SELECT 'rule', r.q, w.rulename::text, pg_catalog.pg_get_ruledef(w.oid) || CASE WHEN w.ev_enabled <> 'O' THEN ' ENABLED=' || w.ev_enabled::text ELSE '' END
  FROM pg_catalog.pg_rewrite w JOIN tab r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'

  -- columns of tables, views, materialized views, foreign tables and composite types
  UNION ALL
  SELECT 'column', r.q, a.attname::text,
         concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
                THEN 'COLLATE ' || (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_catalog.pg_collation co
                       JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END,
           CASE WHEN a.attnotnull THEN 'NOT NULL' END,
           CASE WHEN a.attnotnull AND nn.conrelid IS NOT NULL THEN 'NOT VALID' END,
           -- (a partition shares its parent's identity column, and says so only from 17 on)
           CASE WHEN a.attidentity <> '' AND NOT r.relispartition THEN 'IDENTITY ' || a.attidentity::text || ' (' || coalesce(so.o,'') || ')' END,
           CASE WHEN a.attgenerated <> '' THEN 'GENERATED ' || a.attgenerated::text ELSE CASE WHEN ad.adbin IS NOT NULL THEN 'DEFAULT' END END,
           pg_catalog.pg_get_expr(ad.adbin, ad.adrelid), 'OPTIONS ' || a.attfdwoptions::text)
  FROM pg_catalog.pg_attribute a
  JOIN rel r ON r.oid = a.attrelid AND r.relkind <> 'S'
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum AND a.atthasdef
  LEFT JOIN seqopt so ON a.attidentity <> '' AND so.deptype = 'i' AND so.refobjid = a.attrelid AND so.refobjsubid = a.attnum
  LEFT JOIN pg_catalog.pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND NOT nn.convalidated AND nn.conkey = ARRAY[a.attnum]
  WHERE a.attnum > 0 AND NOT a.attisdropped

  -- constraints; the NOT NULL rows of PostgreSQL 18 (contype n) are column attributes here,
  -- partition clones and inherited copies are left out
  UNION ALL
  SELECT 'constraint', r.q, c.conname::text,
         pg_catalog.pg_get_constraintdef(c.oid) || CASE WHEN c.oid IN (SELECT oid FROM unenforced) THEN ' TRIGGERS DISABLED' ELSE '' END
  FROM pg_catalog.pg_constraint c JOIN rel r ON r.oid = c.conrelid
  WHERE c.contype IN ('c','f','p','u','x') AND c.conparentid = 0 AND (c.conislocal OR c.coninhcount = 0)

  -- indexes that do not back a constraint
  UNION ALL
  SELECT 'index', r.q, ic.relname::text,
         pg_catalog.pg_get_indexdef(i.indexrelid) || CASE WHEN NOT i.indisvalid THEN ' INVALID' ELSE '' END
  FROM pg_catalog.pg_index i JOIN rel r ON r.oid = i.indrelid JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  WHERE NOT ic.relispartition AND i.indislive
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p','u','x') AND c.conrelid = i.indrelid)
  UNION ALL                                -- a constraint's index left invalid is a fact of its own
  SELECT 'invalid', r.q, ic.relname::text, ''
  FROM pg_catalog.pg_index i JOIN rel r ON r.oid = i.indrelid JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  WHERE NOT i.indisvalid AND NOT ic.relispartition AND i.indislive
    AND EXISTS (SELECT 1 FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p','u','x'))

  -- triggers (of a partition's clones those that are switched otherwise) and policies
  UNION ALL
  SELECT 'trigger', r.q, g.tgname::text, pg_catalog.pg_get_triggerdef(g.oid) || CASE WHEN g.tgenabled <> 'O' THEN ' ENABLED=' || g.tgenabled::text ELSE '' END
  FROM pg_catalog.pg_trigger g JOIN rel r ON r.oid = g.tgrelid
  WHERE CASE WHEN g.tgparentid = 0 THEN NOT g.tgisinternal       -- (a clone is internal in 13 and 14)
        ELSE EXISTS (SELECT 1 FROM pg_catalog.pg_trigger p WHERE p.oid = g.tgparentid AND NOT p.tgisinternal AND p.tgenabled <> g.tgenabled) END
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
                    WHERE f.oid = g.tgfoid AND fn.nspname::text = ANY (${quoteTextArray(ignoreSchemas)}))
  UNION ALL
  SELECT 'policy', r.q, p.polname::text,
         concat_ws(' ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, 'FOR', p.polcmd,
           'TO ' || (SELECT string_agg(CASE x WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x)) END, ','
                       ORDER BY CASE x WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x)::text END COLLATE "C") FROM unnest(p.polroles) x),
           'USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
           'CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')')
  FROM pg_catalog.pg_policy p JOIN rel r ON r.oid = p.polrelid

  -- sequences that do not serve an identity column
  UNION ALL
  SELECT 'sequence', r.q, '', concat_ws(' ', so.o, CASE WHEN r.relpersistence = 'u' THEN 'UNLOGGED' END,
         CASE WHEN so.deptype = 'a' THEN 'OWNED BY ' || so.refobjid::regclass::text || '.' ||
            (SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = so.refobjid AND a.attnum = so.refobjsubid) END)
  FROM rel r JOIN seqopt so ON so.seqrelid = r.oid WHERE r.relkind = 'S' AND so.deptype IS DISTINCT FROM 'i'

  -- types: an enum's values and a composite's attributes keep their order
  UNION ALL
  SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'type' END,
         quote_ident(ns.s) || '.' || quote_ident(t.typname), '',
         CASE t.typtype
           WHEN 'e' THEN coalesce((SELECT string_agg(pg_catalog.quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder)
                            FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '')
           WHEN 'd' THEN concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod),
                CASE WHEN t.typcollation <> 0 AND t.typcollation <> bt.typcollation THEN 'COLLATE ' || (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                   FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = t.typcollation) END,
                CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_catalog.pg_get_expr(t.typdefaultbin, 0),
                (SELECT string_agg(quote_ident(c.conname) || ' ' || pg_catalog.pg_get_constraintdef(c.oid), ' ' ORDER BY c.conname)
                   FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c'))
           WHEN 'c' THEN coalesce((SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
                            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '')
           WHEN 'r' THEN (SELECT pg_catalog.format_type(g.rngsubtype, NULL) FROM pg_catalog.pg_range g WHERE g.rngtypid = t.oid)
           ELSE '' END
  FROM pg_catalog.pg_type t JOIN ns ON ns.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type bt ON bt.oid = t.typbasetype
  WHERE (t.typtype IN ('e','d','r') OR (t.typtype = 'c' AND EXISTS (SELECT 1 FROM pg_catalog.pg_class k WHERE k.oid = t.typrelid AND k.relkind = 'c')))
    AND NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_type'::regclass AND e.objid = t.oid)

  -- routines; pg_get_functiondef covers SQL-standard bodies without naming prosqlbody (absent in 13)
  UNION ALL
  SELECT CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END, p.q, '',
         CASE WHEN p.prokind = 'a'
              THEN (SELECT concat_ws(' ', pg_catalog.pg_get_function_result(p.oid), g.aggkind, g.aggtransfn::regproc, pg_catalog.format_type(g.aggtranstype, NULL),
                      g.aggfinalfn::regproc, g.aggcombinefn::regproc, g.agginitval) FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid)
              ELSE (SELECT CASE WHEN p.arguments IS NULL THEN f.d
                           ELSE overlay(f.d PLACING p.arguments FROM length(p.head) + 1 FOR length(pg_catalog.pg_get_function_arguments(p.oid))) END
                    FROM (SELECT replace(pg_catalog.pg_get_functiondef(p.oid), pg_catalog.chr(13), '') AS d) f) END
  FROM routine p
  WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')

  -- extended statistics and event triggers
  UNION ALL
  SELECT 'statistics', quote_ident(ns.s) || '.' || quote_ident(x.stxname), '', pg_catalog.pg_get_statisticsobjdef(x.oid)
  FROM pg_catalog.pg_statistic_ext x JOIN ns ON ns.oid = x.stxnamespace JOIN rel r ON r.oid = x.stxrelid
  UNION ALL
  SELECT 'eventtrigger', v.evtname::text, '', concat_ws(' ', v.evtevent, v.evtenabled, v.evttags::text, v.evtfoid::regproc)
  FROM pg_catalog.pg_event_trigger v
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_event_trigger'::regclass AND e.objid = v.oid)
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
                    WHERE f.oid = v.evtfoid AND fn.nspname::text = ANY (${quoteTextArray(ignoreSchemas)}))

${rare ? rareFacts : ""}
${rightsFacts(rights)}
  -- soft: column order of tables and views
  UNION ALL
  -- (a digest: the list itself would be a third of a ledger, and no person reads it; md5 fails on FIPS builds)
  SELECT 'colorder', r.q, '', left(encode(sha256(convert_to(string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum), 'UTF8')), 'hex'), 12)
  FROM tab r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  GROUP BY r.q

  -- soft: comments on relations and their columns
  UNION ALL
  SELECT 'comment', r.q, coalesce((SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.oid AND a.attnum = x.objsubid AND x.objsubid > 0), ''), x.description
  FROM pg_catalog.pg_description x JOIN rel r ON r.oid = x.objoid WHERE x.classoid = 'pg_catalog.pg_class'::regclass
)`;
}

/** Few histories have any of these, and each costs a look some time to plan. */
const rareFacts = `
  -- operators (not shells, which stand for one to come), their classes and families
  UNION ALL
  SELECT 'operator', quote_ident(ns.s) || '.' || p.oprname || '(' || concat_ws(',', coalesce(pg_catalog.format_type(nullif(p.oprleft, 0), NULL), 'NONE'),
              coalesce(pg_catalog.format_type(nullif(p.oprright, 0), NULL), 'NONE')) || ')', '',
         concat_ws(' ', pg_catalog.format_type(p.oprresult, NULL), p.oprcode::regprocedure, 'COMMUTATOR ' || nullif(p.oprcom, 0)::regoperator::text,
           'NEGATOR ' || nullif(p.oprnegate, 0)::regoperator::text, 'RESTRICT ' || nullif(p.oprrest::oid, 0)::regproc::text,
           'JOIN ' || nullif(p.oprjoin::oid, 0)::regproc::text, CASE WHEN p.oprcanmerge THEN 'MERGES' END, CASE WHEN p.oprcanhash THEN 'HASHES' END)
  FROM pg_catalog.pg_operator p JOIN ns ON ns.oid = p.oprnamespace
  WHERE p.oprcode <> 0 AND NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_operator'::regclass AND e.objid = p.oid)
  UNION ALL
  SELECT 'opclass', quote_ident(ns.s) || '.' || quote_ident(p.opcname) || ' USING ' || am.amname, '',
         concat_ws(' ', CASE WHEN p.opcdefault THEN 'DEFAULT' END, 'FOR', pg_catalog.format_type(p.opcintype, NULL),
           'FAMILY', quote_ident(fn.nspname), quote_ident(f.opfname), 'STORAGE ' || pg_catalog.format_type(nullif(p.opckeytype, 0), NULL))
  FROM pg_catalog.pg_opclass p JOIN ns ON ns.oid = p.opcnamespace JOIN pg_catalog.pg_am am ON am.oid = p.opcmethod
  JOIN pg_catalog.pg_opfamily f ON f.oid = p.opcfamily JOIN pg_catalog.pg_namespace fn ON fn.oid = f.opfnamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_opclass'::regclass AND e.objid = p.oid)
  UNION ALL
  SELECT 'opfamily', quote_ident(ns.s) || '.' || quote_ident(f.opfname) || ' USING ' || am.amname, '',
         concat_ws(', ',
           (SELECT string_agg(concat_ws(' ', 'OPERATOR', o.amopstrategy, o.amopopr::regoperator, CASE WHEN o.amoppurpose = 'o' THEN 'FOR ORDER BY' END), ', '
                     ORDER BY o.amopstrategy, o.amopopr::regoperator::text COLLATE "C") FROM pg_catalog.pg_amop o WHERE o.amopfamily = f.oid),
           (SELECT string_agg(concat_ws(' ', 'FUNCTION', o.amprocnum, o.amproc::regprocedure), ', '
                     ORDER BY o.amprocnum, o.amproc::regprocedure::text COLLATE "C") FROM pg_catalog.pg_amproc o WHERE o.amprocfamily = f.oid))
  FROM pg_catalog.pg_opfamily f JOIN ns ON ns.oid = f.opfnamespace JOIN pg_catalog.pg_am am ON am.oid = f.opfmethod
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_opfamily'::regclass AND e.objid = f.oid)

  -- text search; a token type has a number, and each parser a list of its own
  UNION ALL
  SELECT 'tsconfig', quote_ident(ns.s) || '.' || quote_ident(c.cfgname), '',
         concat_ws(' ', (SELECT quote_ident(pn.nspname) || '.' || quote_ident(p.prsname) FROM pg_catalog.pg_ts_parser p
                         JOIN pg_catalog.pg_namespace pn ON pn.oid = p.prsnamespace WHERE p.oid = c.cfgparser),
           (SELECT string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary::text, ', ' ORDER BY m.maptokentype, m.mapseqno)
            FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid))
  FROM pg_catalog.pg_ts_config c JOIN ns ON ns.oid = c.cfgnamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_ts_config'::regclass AND e.objid = c.oid)
  UNION ALL
  SELECT 'tsdictionary', quote_ident(ns.s) || '.' || quote_ident(c.dictname), '',
         concat_ws(' ', quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname), c.dictinitoption)
  FROM pg_catalog.pg_ts_dict c JOIN ns ON ns.oid = c.dictnamespace
  JOIN pg_catalog.pg_ts_template t ON t.oid = c.dicttemplate JOIN pg_catalog.pg_namespace tn ON tn.oid = t.tmplnamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_ts_dict'::regclass AND e.objid = c.oid)
  UNION ALL
  SELECT 'tsparser', quote_ident(ns.s) || '.' || quote_ident(c.prsname), '',
         concat_ws(' ', c.prsstart, c.prstoken, c.prsend, c.prsheadline, c.prslextype)
  FROM pg_catalog.pg_ts_parser c JOIN ns ON ns.oid = c.prsnamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_ts_parser'::regclass AND e.objid = c.oid)
  UNION ALL
  SELECT 'tstemplate', quote_ident(ns.s) || '.' || quote_ident(c.tmplname), '', concat_ws(' ', c.tmplinit, c.tmpllexize)
  FROM pg_catalog.pg_ts_template c JOIN ns ON ns.oid = c.tmplnamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_ts_template'::regclass AND e.objid = c.oid)

  -- collations and conversions
  UNION ALL
  SELECT 'collation', quote_ident(ns.s) || '.' || quote_ident(c.collname), '',
         concat_ws(' ', c.collprovider, CASE WHEN NOT c.collisdeterministic THEN 'NOT DETERMINISTIC' END)
  FROM pg_catalog.pg_collation c JOIN ns ON ns.oid = c.collnamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_collation'::regclass AND e.objid = c.oid)
  UNION ALL
  SELECT 'conversion', quote_ident(ns.s) || '.' || quote_ident(c.conname), '',
         concat_ws(' ', pg_catalog.pg_encoding_to_char(c.conforencoding), 'TO', pg_catalog.pg_encoding_to_char(c.contoencoding), c.conproc,
           CASE WHEN c.condefault THEN 'DEFAULT' END)
  FROM pg_catalog.pg_conversion c JOIN ns ON ns.oid = c.connamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_conversion'::regclass AND e.objid = c.oid)

  -- what lives in no schema: made by somebody (the server's own have lower numbers), of types that are in scope. A range type brings a
  -- cast to its multirange along, from 14 on
  UNION ALL
  SELECT 'cast', concat('(', pg_catalog.format_type(c.castsource, NULL), ' AS ', pg_catalog.format_type(c.casttarget, NULL), ')'), '',
         concat_ws(' ', c.castmethod, c.castcontext, nullif(c.castfunc, 0)::regprocedure)
  FROM pg_catalog.pg_cast c
  WHERE c.oid >= 16384
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_cast'::regclass AND d.objid = c.oid AND d.deptype IN ('e','i'))
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid IN (c.castsource, c.casttarget)
                    AND t.typnamespace <> 'pg_catalog'::regnamespace AND t.typnamespace NOT IN (SELECT ns.oid FROM ns))
  UNION ALL
  SELECT 'transform', pg_catalog.format_type(c.trftype, NULL) || ' LANGUAGE ' || quote_ident(l.lanname), '',
         concat_ws(' ', c.trffromsql, c.trftosql)
  FROM pg_catalog.pg_transform c JOIN pg_catalog.pg_language l ON l.oid = c.trflang
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_transform'::regclass AND e.objid = c.oid)
  UNION ALL
  SELECT 'language', quote_ident(l.lanname), '',
         concat_ws(' ', CASE WHEN l.lanpltrusted THEN 'TRUSTED' END, l.lanplcallfoid::regproc, nullif(l.laninline, 0)::regproc, nullif(l.lanvalidator, 0)::regproc)
  FROM pg_catalog.pg_language l
  WHERE l.oid >= 16384 AND NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_language'::regclass AND e.objid = l.oid)
  UNION ALL
  SELECT 'accessmethod', quote_ident(a.amname), '', concat_ws(' ', a.amtype, a.amhandler)
  FROM pg_catalog.pg_am a
  WHERE a.oid >= 16384 AND NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_am'::regclass AND e.objid = a.oid)
  UNION ALL
  SELECT 'fdw', quote_ident(w.fdwname), '', concat_ws(' ', nullif(w.fdwhandler, 0)::regproc, nullif(w.fdwvalidator, 0)::regproc)
  FROM pg_catalog.pg_foreign_data_wrapper w
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_foreign_data_wrapper'::regclass AND e.objid = w.oid)
  UNION ALL
  SELECT 'server', quote_ident(v.srvname), '', concat_ws(' ', quote_ident(w.fdwname), v.srvtype)
  FROM pg_catalog.pg_foreign_server v JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = v.srvfdw
  WHERE NOT EXISTS (SELECT 1 FROM ext e WHERE e.classid = 'pg_catalog.pg_foreign_server'::regclass AND e.objid = v.oid)

  -- replication
  UNION ALL
  SELECT 'publication', quote_ident(b.pubname), '',
         concat_ws(' ', CASE WHEN b.puballtables THEN 'ALL TABLES' END, CASE WHEN b.pubinsert THEN 'INSERT' END, CASE WHEN b.pubupdate THEN 'UPDATE' END,
           CASE WHEN b.pubdelete THEN 'DELETE' END, CASE WHEN b.pubtruncate THEN 'TRUNCATE' END)
  FROM pg_catalog.pg_publication b
  UNION ALL
  SELECT 'publication', quote_ident(b.pubname), r.q, ''
  FROM pg_catalog.pg_publication_rel p JOIN pg_catalog.pg_publication b ON b.oid = p.prpubid JOIN rel r ON r.oid = p.prrelid
  UNION ALL
  SELECT 'replica', r.q, '', concat_ws(' ', r.relreplident,
           (SELECT quote_ident(ic.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
            WHERE i.indrelid = r.oid AND i.indisreplident))
  FROM rel r WHERE r.relkind IN ('r','p') AND r.relreplident <> 'd'
`;

/** Objects with an owner and privileges; t is what acldefault() calls their kind. */
const securable = `(
    SELECT r.q, CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS t, r.relowner AS owner, r.relacl AS acl, r.relnamespace AS schema FROM rel r WHERE r.relkind <> 'c'
    UNION ALL
    SELECT quote_ident(ns.s), 'n', n.nspowner, n.nspacl, 0 FROM ns JOIN pg_catalog.pg_namespace n ON n.oid = ns.oid
    UNION ALL
    SELECT p.q, 'f', p.proowner, p.proacl, p.pronamespace FROM routine p
  ) a`;

function rightsFacts(rights: NonNullable<FactsOptions["rights"]>): string {
  if (rights === "none") return "";
  return rights === "given" ? givenRights : heldRights(rights.heldBy);
}

/** MAINTAIN, which ALL includes since 17, is left out; and what default privileges give that were there before the history, such as Supabase's, is nobody's GRANT. */
const givenRights = `
  -- owners and privileges that are not those of what has just been made
  UNION ALL
  SELECT 'owner', a.q, '', pg_catalog.pg_get_userbyid(a.owner)::text FROM ${securable}
  WHERE a.owner <> (SELECT u.oid FROM pg_catalog.pg_roles u WHERE u.rolname = current_user)
  UNION ALL
  SELECT 'grant', a.q, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
         string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type COLLATE "C")
  FROM ${securable}, LATERAL aclexplode(a.acl) x
  WHERE x.grantee <> a.owner AND x.privilege_type <> 'MAINTAIN'
    AND NOT EXISTS (SELECT 1 FROM aclexplode(acldefault(a.t, a.owner)) d WHERE d.grantee = x.grantee AND d.privilege_type = x.privilege_type)
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_default_acl y, aclexplode(y.defaclacl) d
                    WHERE y.defaclrole = a.owner AND y.defaclobjtype = CASE a.t WHEN 's' THEN 'S' ELSE a.t END
                      AND y.defaclnamespace IN (0, a.schema)
                      AND y.oid <= coalesce(nullif(current_setting('preflight_bake.newest_default_acl', true), ''), '4294967295')::oid
                      AND d.grantee = x.grantee AND d.privilege_type = x.privilege_type)
  GROUP BY a.q, x.grantee
`;

/** A role whose privileges we have is granted on no object. */
function heldRights(roles: readonly string[]): string {
  return `
  -- owners; privileges, also those of owners, and whatever this session's role has by way of others
  UNION ALL
  SELECT 'owner', a.q, '', pg_catalog.pg_get_userbyid(a.owner)::text FROM ${securable}
  UNION ALL
  SELECT 'grant', a.q, g.name, string_agg(DISTINCT x.privilege_type, ', ')
  FROM ${securable}, LATERAL aclexplode(coalesce(a.acl, acldefault(a.t, a.owner))) x,
       LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END
                UNION
                SELECT current_user::text WHERE CASE x.grantee WHEN 0 THEN true ELSE pg_has_role(x.grantee, 'USAGE') END) g (name)
  GROUP BY a.q, g.name
  UNION ALL                                -- a superuser's, those of pg_read_all_data and of pg_write_all_data stand in no list
  SELECT 'grant', r.q, current_user::text, string_agg(p.privilege, ', ')
  FROM rel r, unnest(CASE r.relkind WHEN 'S' THEN ARRAY['USAGE', 'SELECT', 'UPDATE'] ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) AS p (privilege)
  WHERE r.relkind <> 'c' AND CASE r.relkind WHEN 'S' THEN has_sequence_privilege(r.oid, p.privilege) ELSE has_table_privilege(r.oid, p.privilege) END
  GROUP BY r.q
  UNION ALL
  SELECT 'grant', '', r.rolname::text, '' FROM pg_catalog.pg_roles r
  WHERE r.rolname::text = ANY (${quoteTextArray(roles)}) AND pg_has_role(r.oid, 'USAGE')
`;
}

function inScope(scope: Scope | null): string {
  if (scope === null) return "";
  const home = scope.home ? "n.nspname::text = current_setting('preflight.home') OR " : "";
  return `AND (${home}n.nspname::text = ANY (${quoteTextArray(scope.named)}))`;
}

/**
 * The settings that decide how the server spells a definition, for one transaction. With no user schema on the
 * search path every name comes out qualified. Without jit = off a large schema costs seconds of compiling.
 */
export const pinSettings = `
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL quote_all_identifiers = off;
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = postgres;
SET LOCAL TimeZone = 'UTC';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = hex;
SET LOCAL standard_conforming_strings = on;
SET LOCAL lc_monetary = 'C';
SET LOCAL jit = off;`;
