import type { Fact } from "./facts.ts";
import { ancestors, type Heads, type History } from "./history.ts";
import type { TableName } from "./revision.ts";

/** Columns by tables, which are named `schema.name`, unquoted. */
export type Tables = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * The tables and columns that a set of heads needs, by name, as far as the files say it in words
 * that can be read without running them. Enough to report and to check a person's word; never to stamp.
 */
export function sketchOf(history: History, heads: Heads, defaultSchema: string): Tables {
  const applied = ancestors(history, heads);
  const tables = new Map<string, Set<string>>();
  for (const revision of history.revisions.values())
    if (applied.has(revision.id))
      for (const step of revision.sketch) {
        const table = qualified(step.table);
        switch (step.kind) {
          case "create-table":
            tables.set(table, new Set(step.columns));
            break;
          case "drop-table":
            tables.delete(table);
            break;
          case "rename-table":
            tables.set(qualified({ ...step.table, name: step.to }), tables.get(table) ?? new Set());
            tables.delete(table);
            break;
          case "add-column":
            tables.get(table)?.add(step.column);
            break;
          case "drop-column":
            tables.get(table)?.delete(step.column);
            break;
          case "rename-column":
            if (tables.get(table)?.delete(step.column)) tables.get(table)?.add(step.to);
            break;
        }
      }
  return tables;

  function qualified(table: TableName): string {
    return `${table.schema ?? defaultSchema}.${table.name}`;
  }
}

/** Tables and columns of a live schema, in the same words. */
export function tablesOf(facts: readonly Fact[]): Tables {
  const tables = new Map<string, Set<string>>();
  for (const fact of facts)
    if (fact.kind === "table" || fact.kind === "partition")
      tables.set(unquoted(fact.object), new Set());
  for (const fact of facts)
    if (fact.kind === "column") tables.get(unquoted(fact.object))?.add(fact.name);
  return tables;
}

/** `public."user"` → `public.user`: PostgreSQL quotes reserved words and odd names. */
export function unquoted(object: string): string {
  return object.replace(/"((?:[^"]|"")*)"/g, (_, name: string) => name.replaceAll('""', '"'));
}

/** What `needed` has and `live` has not, as `table` or `table.column`. */
export function absentFrom(live: Tables, needed: Tables): readonly string[] {
  return [...needed].flatMap(([table, columns]) => {
    const there = live.get(table);
    if (there === undefined) return [table];
    return [...columns]
      .filter((column) => !there.has(column))
      .map((column) => `${table}.${column}`);
  });
}

/** The revision whose tables and columns come nearest to the live ones. Ties go to the later one. */
export function nearestSketch(history: History, live: Tables, defaultSchema: string) {
  let nearest: { id: string; absent: readonly string[]; off: number } | null = null;
  for (const id of history.revisions.keys()) {
    const needed = sketchOf(history, [id], defaultSchema);
    const absent = absentFrom(live, needed);
    const off = absent.length + absentFrom(needed, live).length;
    if (nearest === null || off <= nearest.off) nearest = { id, absent, off };
  }
  return nearest;
}

/** `public."user"` → `user` */
export function nameOf(object: string): string {
  const [, name = object] = /^(?:"(?:[^"]|"")*"|[^".]+)\.(.*)$/s.exec(object) ?? [];
  return unquoted(name);
}
