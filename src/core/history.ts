import type { MigrationTool } from "./migration-tool.ts";
import type { Revision } from "./revision.ts";

/** A state of a history: the ids of revisions on which no other of them stands, with all that they stand on; sorted. */
export type Heads = readonly string[];

/** All revisions of one tool found in the image, as a graph without faults. */
export type History = {
  readonly tool: MigrationTool;
  /** In topological order: whatever a revision needs stands before it; ties are broken by id. */
  readonly revisions: ReadonlyMap<string, Revision>;
  /** Revisions that are nobody's parent, sorted; `depends_on` does not remove a head (as in `alembic heads`). */
  readonly heads: readonly string[];
  /** Revisions without a parent, sorted. */
  readonly bases: readonly string[];
  /** For every revision what must be applied before it: parents and resolved `depends_on`. */
  readonly needs: ReadonlyMap<string, readonly string[]>;
};

/** Why a history cannot be trusted. Alembic would refuse it, hang on it, or lie about it. */
export type HistoryFault =
  | {
      readonly kind: "unreadable";
      readonly file: string;
      /** From 1, as is the column, which counts characters; null: of the whole file, or of the whole line. */
      readonly line: number | null;
      readonly column: number | null;
      readonly why: string;
    }
  | (InFiles & { readonly kind: "duplicate-id"; readonly id: string })
  | (InFiles & { readonly kind: "duplicate-label"; readonly label: string })
  | (OfRevision & { readonly kind: "missing-parent"; readonly parent: string })
  | (OfRevision & { readonly kind: "missing-dependency"; readonly dependency: string })
  | (OfRevision & { readonly kind: "illegal-id"; readonly why: string })
  | { readonly kind: "cycle"; readonly ids: readonly string[] };

type InFiles = { readonly files: readonly string[] };
type OfRevision = { readonly id: string; readonly file: string };

export type Graph =
  | { readonly kind: "sound"; readonly history: History }
  | { readonly kind: "broken"; readonly faults: readonly HistoryFault[] };

/** Everything that `ids` stand on, themselves included. Ids that the history does not have are left out. */
export function ancestors(history: History, ids: Iterable<string>): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [...ids].filter((id) => history.revisions.has(id));
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    open.push(...(history.needs.get(id) ?? []));
  }
  return found;
}

/** What is left to run at these heads, in the history's order. */
export function pendingAfter(history: History, heads: Heads): readonly string[] {
  const applied = ancestors(history, heads);
  return [...history.revisions.keys()].filter((id) => !applied.has(id));
}

/**
 * Those of `ids` on which no other of them stands: what a tool's version rows should be. Sorted. Ids that the history does
 * not have stay: nothing is known to stand on them.
 */
export function maximal(history: History, ids: Iterable<string>): Heads {
  const all = [...new Set(ids)];
  const below = ancestors(
    history,
    all.flatMap((id) => history.needs.get(id) ?? []),
  );
  return all.filter((id) => !below.has(id)).sort();
}
