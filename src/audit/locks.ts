import type {
  AlterDomainStmt,
  ClusterStmt,
  IndexStmt,
  LockStmt,
  Node,
  RangeVar,
  RefreshMatViewStmt,
  ReindexStmt,
} from "libpg-query";
import { isOn } from "../pgsql/alone.ts";
import {
  commandsOf,
  inside,
  insideAll,
  nameOf,
  objectsIn,
  quote,
  show,
  wordsIn,
} from "../pgsql/tree.ts";
import { isLocking } from "./alter-table.ts";
import { findTable } from "./learn.ts";
import { isInUse, relationsInUse, type Remark, type Scene } from "./scene.ts";

/** Statements that keep a table from those who use it for as long as it is large. */
export function remarkOnLocks(node: Node, text: string, scene: Scene): Remark | null {
  if ("IndexStmt" in node) return createIndex(node.IndexStmt, text, scene);
  if ("ReindexStmt" in node) return reindex(node.ReindexStmt, scene);
  if ("VacuumStmt" in node && isOn(node.VacuumStmt.options, "full")) return vacuumFull;
  if ("ClusterStmt" in node) return cluster(node.ClusterStmt, scene);
  if ("LockStmt" in node) return lockTable(node.LockStmt, scene);
  if ("RefreshMatViewStmt" in node) return refreshView(node.RefreshMatViewStmt, scene);
  if ("AlterDomainStmt" in node) return alterDomain(node.AlterDomainStmt);
  return null;
}

function createIndex(statement: IndexStmt, text: string, scene: Scene): Remark | null {
  const { idxname, relation, concurrent = false, if_not_exists = false } = statement;
  const index = idxname === undefined ? "an index" : `index ${quote(idxname)}`;
  const seen = `${index} is created on ${show(nameOf(relation))}`;
  if (concurrent && if_not_exists)
    return {
      level: "danger",
      rule: "create-index-if-not-exists",
      seen: `${seen} with CONCURRENTLY and IF NOT EXISTS`,
      why: "one that was interrupted stays behind INVALID under this name, is never used, and is taken for the real one",
      remedy: "leave out IF NOT EXISTS; preflight finds such a rest and says how to remove it",
    };
  if (concurrent || !isInUse(relation, scene)) return null;
  const table = findTable(scene.known, nameOf(relation));
  // ON ONLY a partitioned table makes an entry in the catalog; the partitions get theirs one by one.
  if (relation?.inh !== true && table?.isPartitioned !== false) return null;
  return {
    level: "danger",
    rule: "create-index",
    seen: `${seen} without CONCURRENTLY`,
    why: "nobody can write to the table until it is built",
    remedy:
      table?.isPartitioned === true
        ? "create it ON ONLY the partitioned table, CONCURRENTLY on each partition, and join them: ALTER INDEX … ATTACH PARTITION …"
        : `in a file of its own: ${concurrently(text)}`,
  };
}

/** In one line, where that changes nothing else: not within quotes, nor behind a comment. */
function concurrently(text: string): string {
  if (/'|--|\/\*/.test(text)) return "CREATE INDEX CONCURRENTLY …";
  const line = text
    .replaceAll(/\s+/g, " ")
    .replace(/\bINDEX\b( IF NOT EXISTS\b)?/i, "INDEX CONCURRENTLY");
  return line.length <= 160 ? line : "CREATE INDEX CONCURRENTLY …";
}

function reindex(statement: ReindexStmt, scene: Scene): Remark | null {
  const { relation, params, kind = "", name = "" } = statement;
  if (isOn(params, "concurrently")) return null;
  if (relation !== undefined && !isInUse(relation, scene)) return null;
  const what = kind.replace("REINDEX_OBJECT_", "");
  const target = relation === undefined ? quote(name) : show(nameOf(relation));
  return {
    level: "danger",
    rule: "reindex",
    seen: `REINDEX ${what} ${target}`,
    why: "until it is done nobody can write to the table, nor read it by that index",
    remedy: `in a file of its own: REINDEX ${what} CONCURRENTLY ${target}`,
  };
}

const vacuumFull: Remark = {
  level: "danger",
  rule: "vacuum-full",
  seen: "VACUUM FULL",
  why: "each table is written anew, and nobody can use it meanwhile",
  remedy: "leave it to autovacuum, or use VACUUM; pg_repack shrinks a table that is in use",
};

function cluster({ relation }: ClusterStmt, scene: Scene): Remark | null {
  if (relation !== undefined && !isInUse(relation, scene)) return null;
  return {
    level: "danger",
    rule: "cluster",
    seen: relation === undefined ? "CLUSTER" : `CLUSTER ${show(nameOf(relation))}`,
    why: "the table is written anew, and nobody can use it meanwhile",
    remedy: "do it when nobody needs the table; pg_repack sorts a table that is in use",
  };
}

/** The numbers of PostgreSQL's lock modes. */
const [shareLock, accessExclusiveLock] = [5, 8];

function lockTable(statement: LockStmt, scene: Scene): Remark | null {
  const { relations, mode = accessExclusiveLock } = statement;
  const tables = relationsInUse(relations, scene);
  if (tables.length === 0 || mode < shareLock) return null;
  return {
    level: "danger",
    rule: "lock-table",
    seen: `LOCK TABLE ${tables.join(", ")}`,
    why: `nobody can ${mode === accessExclusiveLock ? "use" : "write to"} it until the file is done`,
    remedy:
      "leave it out: each statement takes the lock that it needs, and preflight runs a file only once at a time",
  };
}

function refreshView(statement: RefreshMatViewStmt, scene: Scene): Remark | null {
  const { relation, concurrent = false } = statement;
  if (concurrent || !isInUse(relation, scene)) return null;
  const view = show(nameOf(relation));
  return {
    level: "danger",
    rule: "refresh-view",
    seen: `REFRESH MATERIALIZED VIEW ${view}`,
    why: "nobody can read the view until its query is done",
    remedy: `REFRESH MATERIALIZED VIEW CONCURRENTLY ${view}; it needs a unique index on the view`,
  };
}

function alterDomain({ subtype, typeName = [], def }: AlterDomainStmt): Remark | null {
  // "C": ADD CONSTRAINT, "O": SET NOT NULL.
  if (subtype !== "C" && subtype !== "O") return null;
  if (inside("Constraint", def)?.skip_validation === true) return null;
  const domain = typeName.flatMap(wordsIn).map(quote).join(".");
  return {
    level: "danger",
    rule: "alter-domain",
    seen: `domain ${domain} gets a constraint that holds at once`,
    why: "every table with such a column is read to check it, and nobody can write to it meanwhile",
    remedy: `ALTER DOMAIN ${domain} ADD CONSTRAINT … CHECK (VALUE …) NOT VALID; in the next file: ALTER DOMAIN ${domain} VALIDATE CONSTRAINT …`,
  };
}

/** Notes which tables a statement keeps from their writers, for as long as its transaction lasts. */
export function takeLocks(node: Node, scene: Scene): void {
  for (const relation of lockedBy(node))
    if (isInUse(relation, scene)) scene.locks.push({ table: nameOf(relation), line: scene.line });
}

function lockedBy(node: Node): readonly (RangeVar | undefined)[] {
  if ("RenameStmt" in node) return [node.RenameStmt.relation];
  if ("CreateStmt" in node) return referredTo(node);
  if (!("AlterTableStmt" in node)) return [];
  return commandsOf(node).some(isLocking)
    ? [node.AlterTableStmt.relation, ...referredTo(node)]
    : [];
}

/** A new foreign key locks the table that it refers to as well. */
function referredTo(node: Node): readonly RangeVar[] {
  return insideAll("Constraint", objectsIn(node)).flatMap(({ pktable }) => pktable ?? []);
}
