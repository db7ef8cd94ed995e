import type { Graph, History, HistoryFault } from "./history.ts";
import { byText, type MigrationTool } from "./migration-tool.ts";
import type { Revision } from "./revision.ts";

/**
 * Joins revisions to a history, or says everything that is wrong with them. Names are exact, as in Alembic; a `depends_on`
 * may be a branch label. Time and memory are linear in revisions and their references.
 */
export function buildGraph(tool: MigrationTool, revisions: readonly Revision[]): Graph {
  const ordered = revisions.toSorted((a, b) => byText(a.id, b.id) || byText(a.file, b.file));
  const byId = groupBy(ordered, ({ id }) => [id]);
  const byLabel = groupBy(ordered, ({ labels }) => labels);
  // Of two files with one id neither is right: references are followed from the first, so that later faults show too.
  const single = new Map([...byId].map(([id, [first]]) => [id, first]));
  const resolve = (name: string): string | undefined =>
    byId.has(name) ? name : byLabel.get(name)?.[0].id;
  const needs = new Map(
    [...single].map(([id, revision]) => [id, needsOf(revision, single, resolve)]),
  );
  const order = topologicalOrder(needs);
  const faults = [
    ...illegalIds(tool, ordered),
    ...duplicateIds(byId),
    ...duplicateLabels(byLabel, byId),
    ...missing(ordered, single, resolve),
    ...cycles(needs, new Set(order)),
  ];
  return faults.length > 0
    ? { kind: "broken", faults }
    : { kind: "sound", history: historyOf(tool, single, needs, order) };
}

type Groups<Item> = ReadonlyMap<string, readonly [Item, ...Item[]]>;

function groupBy<Item>(
  items: Iterable<Item>,
  keysOf: (item: Item) => readonly string[],
): Groups<Item> {
  const groups = new Map<string, [Item, ...Item[]]>();
  for (const item of items)
    for (const key of keysOf(item)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [item]);
      else group.push(item);
    }
  return groups;
}

function needsOf(
  revision: Revision,
  known: ReadonlyMap<string, Revision>,
  resolve: (name: string) => string | undefined,
): readonly string[] {
  const parents = revision.parents.filter((parent) => known.has(parent));
  const dependencies = revision.dependsOn.flatMap((name) => resolve(name) ?? []);
  return [...new Set([...parents, ...dependencies])];
}

function historyOf(
  tool: MigrationTool,
  single: ReadonlyMap<string, Revision>,
  needs: ReadonlyMap<string, readonly string[]>,
  order: readonly string[],
): History {
  const all = order.flatMap((id) => single.get(id) ?? []);
  const parents = new Set(all.flatMap((revision) => revision.parents));
  return {
    tool,
    revisions: new Map(all.map((revision) => [revision.id, revision])),
    heads: order.filter((id) => !parents.has(id)).toSorted(byText),
    bases: all
      .filter((revision) => revision.parents.length === 0)
      .map(({ id }) => id)
      .toSorted(byText),
    needs,
  };
}

// Order

/** Kahn's algorithm. Of those that could come next the smallest id comes first; what a cycle holds back is left out. */
function topologicalOrder(needs: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const followers = groupBy(needs, ([, needed]) => needed);
  const waiting = new Map([...needs].map(([id, needed]) => [id, needed.length]));
  /** Largest first, so that the smallest is taken from the end. */
  const ready = [...waiting].flatMap(([id, count]) => (count === 0 ? [id] : [])).toReversed();
  const order: string[] = [];
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    order.push(id);
    for (const [next] of followers.get(id) ?? []) {
      const count = (waiting.get(next) ?? 0) - 1;
      waiting.set(next, count);
      if (count === 0) ready.splice(placeOf(next, ready), 0, next);
    }
  }
  return order;
}

/** Where `id` belongs in a list that falls. */
function placeOf(id: string, falling: readonly string[]): number {
  let low = 0;
  let high = falling.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (byText(falling[middle] ?? "", id) > 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Faults

/** `base` is a word of our command line too. */
function* illegalIds(
  { name, illegalInIds }: MigrationTool,
  revisions: readonly Revision[],
): Generator<HistoryFault> {
  for (const { id, file } of revisions) {
    const characters = [...new Set(id)].filter((character) => illegalInIds.includes(character));
    if (characters.length > 0) {
      const why = `${name} does not allow '${characters.join("")}' in an id`;
      yield { kind: "illegal-id", id, file, why };
    } else if (id === "base") {
      yield { kind: "illegal-id", id, file, why: "'base' means the state before all revisions" };
    }
  }
}

function* duplicateIds(byId: Groups<Revision>): Generator<HistoryFault> {
  for (const [id, group] of byId)
    if (group.length > 1) yield { kind: "duplicate-id", id, files: group.map(({ file }) => file) };
}

/** A label must differ from all other labels and from all ids. */
function* duplicateLabels(
  byLabel: Groups<Revision>,
  byId: Groups<Revision>,
): Generator<HistoryFault> {
  const labels = [...byLabel].toSorted(([a], [b]) => byText(a, b));
  for (const [label, group] of labels) {
    const users = [...group, ...(byId.get(label) ?? [])];
    const files = [...new Set(users.map(({ file }) => file))];
    if (users.length > 1) yield { kind: "duplicate-label", label, files };
  }
}

function* missing(
  revisions: readonly Revision[],
  known: ReadonlyMap<string, Revision>,
  resolve: (name: string) => string | undefined,
): Generator<HistoryFault> {
  for (const { id, file, parents, dependsOn } of revisions) {
    for (const parent of parents)
      if (!known.has(parent)) yield { kind: "missing-parent", id, file, parent };
    for (const dependency of dependsOn)
      if (resolve(dependency) === undefined)
        yield { kind: "missing-dependency", id, file, dependency };
  }
}

/** Every strongly connected part of what the order left out (Tarjan, with a stack of its own). */
function* cycles(
  needs: ReadonlyMap<string, readonly string[]>,
  ordered: ReadonlySet<string>,
): Generator<HistoryFault> {
  const index = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const enter = (id: string): Step => {
    index.set(id, index.size);
    lowest.set(id, index.size - 1);
    open.push(id);
    isOpen.add(id);
    return { id, next: 0, needed: needs.get(id)?.filter((older) => !ordered.has(older)) ?? [] };
  };
  const lower = (id: string, to: number): void => {
    lowest.set(id, Math.min(lowest.get(id) ?? to, to));
  };
  for (const start of needs.keys()) {
    if (ordered.has(start) || index.has(start)) continue;
    const path = [enter(start)];
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const older = step.needed[step.next];
      step.next += 1;
      if (older === undefined) {
        path.pop();
        const low = lowest.get(step.id) ?? 0;
        const above = path.at(-1);
        if (above !== undefined) lower(above.id, low);
        if (low !== index.get(step.id)) continue;
        const ids = open.splice(open.lastIndexOf(step.id));
        for (const id of ids) isOpen.delete(id);
        if (ids.length > 1 || step.needed.includes(step.id))
          yield { kind: "cycle", ids: ids.toSorted(byText) };
      } else if (!index.has(older)) path.push(enter(older));
      else if (isOpen.has(older)) lower(step.id, index.get(older) ?? 0);
    }
  }
}

type Step = { readonly id: string; next: number; readonly needed: readonly string[] };
