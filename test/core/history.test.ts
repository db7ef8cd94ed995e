import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildGraph } from "../../src/core/graph.ts";
import { ancestors, type History, type HistoryFault, maximal } from "../../src/core/history.ts";
import type { Revision } from "../../src/core/revision.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";

function revision(
  id: string,
  parents: readonly string[] = [],
  more: Partial<Revision> = {},
): Revision {
  const file = `versions/${id}.py`;
  return {
    id,
    parents,
    dependsOn: [],
    labels: [],
    title: "",
    file,
    hash: "",
    isEmpty: true,
    isAtomic: true,
    saysIfNotExists: false,
    readsEnvironment: false,
    sketch: [],
    ...more,
  };
}

function sound(...revisions: readonly Revision[]): History {
  const graph = buildGraph(alembic, revisions);
  if (graph.kind === "broken") throw new Error(JSON.stringify(graph.faults));
  return graph.history;
}

function faults(...revisions: readonly Revision[]): readonly HistoryFault[] {
  const graph = buildGraph(alembic, revisions);
  return graph.kind === "broken" ? graph.faults : [];
}

describe("a sound history", () => {
  test("no revisions at all", () => {
    expect(sound()).toMatchObject({ heads: [], bases: [] });
  });

  test("has its heads, bases and needs; what is needed stands first, ties are broken by id", () => {
    const history = sound(
      revision("merge", ["b", "a"]),
      revision("b", ["base1"]),
      revision("a", ["base1"]),
      revision("base1"),
      revision("other", [], { dependsOn: ["a"] }),
      revision("tip", ["merge"]),
    );
    expect([...history.revisions.keys()]).toEqual(["base1", "a", "b", "merge", "other", "tip"]);
    expect(history.heads).toEqual(["other", "tip"]);
    expect(history.bases).toEqual(["base1", "other"]);
    expect(history.needs.get("merge")).toEqual(["b", "a"]);
  });

  test("a dependency does not take a head away, and may be a label", () => {
    const history = sound(
      revision("a", [], { labels: ["expand"] }),
      revision("b", ["a"]),
      revision("c", [], { dependsOn: ["expand"] }),
    );
    expect(history.heads).toEqual(["b", "c"]);
    expect(history.needs.get("c")).toEqual(["a"]);
  });

  test("an id is preferred to a prefix: names are exact", () => {
    expect(faults(revision("ab"), revision("b", ["a"]))).toEqual([
      { kind: "missing-parent", id: "b", file: "versions/b.py", parent: "a" },
    ]);
  });
});

describe("faults", () => {
  test("all are collected", () => {
    const found = faults(
      revision("a", [], { labels: ["one", "b"] }),
      revision("b", ["gone"], { labels: ["one"] }),
      revision("c", [], { dependsOn: ["nowhere"] }),
      revision("d", [], { file: "1.py" }),
      revision("d", [], { file: "2.py" }),
      revision("x-y"),
      revision("base"),
      revision("self", ["self"]),
      revision("p", ["q"]),
      revision("q", ["p"]),
    );
    expect(found).toEqual([
      { kind: "illegal-id", id: "base", file: "versions/base.py", why: expect.any(String) },
      {
        kind: "illegal-id",
        id: "x-y",
        file: "versions/x-y.py",
        why: expect.stringContaining("'-'"),
      },
      { kind: "duplicate-id", id: "d", files: ["1.py", "2.py"] },
      { kind: "duplicate-label", label: "b", files: ["versions/a.py", "versions/b.py"] },
      { kind: "duplicate-label", label: "one", files: ["versions/a.py", "versions/b.py"] },
      { kind: "missing-parent", id: "b", file: "versions/b.py", parent: "gone" },
      { kind: "missing-dependency", id: "c", file: "versions/c.py", dependency: "nowhere" },
      { kind: "cycle", ids: ["p", "q"] },
      { kind: "cycle", ids: ["self"] },
    ]);
  });

  test("a cycle that hangs between a base and a head, on which Alembic itself hangs", () => {
    const found = faults(
      revision("root"),
      revision("c1", ["root", "c5"]),
      revision("c2", ["c1"]),
      revision("c3", ["c2"]),
      revision("c4", ["c3"]),
      revision("c5", ["c4"]),
      revision("tip", ["c5"]),
      revision("other"),
    );
    expect(found).toEqual([{ kind: "cycle", ids: ["c1", "c2", "c3", "c4", "c5"] }]);
  });

  test("a cycle through dependencies only, and through a revision's own label", () => {
    expect(
      faults(revision("a", [], { dependsOn: ["b"] }), revision("b", [], { dependsOn: ["a"] })),
    ).toEqual([{ kind: "cycle", ids: ["a", "b"] }]);
    expect(faults(revision("a", [], { labels: ["me"], dependsOn: ["me"] }))).toEqual([
      { kind: "cycle", ids: ["a"] },
    ]);
  });

  test("two cycles, one standing on the other, are two", () => {
    const found = faults(
      revision("a", ["b"]),
      revision("b", ["a"]),
      revision("c", ["b", "d"]),
      revision("d", ["c"]),
      revision("e", ["d"]),
    );
    expect(found).toEqual([
      { kind: "cycle", ids: ["a", "b"] },
      { kind: "cycle", ids: ["c", "d"] },
    ]);
  });

  test("a long history neither overflows the stack nor hides its cycle", () => {
    const size = 20_000;
    const name = (index: number) => `r${String(index).padStart(6, "0")}`;
    const line = Array.from({ length: size }, (_, index) =>
      revision(name(index), [name((index + size - 1) % size)]),
    );
    expect(faults(...line)).toMatchObject([{ kind: "cycle" }]);
    expect(sound(revision(name(0)), ...line.slice(1)).heads).toEqual([name(size - 1)]);
  });
});

describe("ancestors and maximal", () => {
  const graphs = fc
    .array(fc.array(fc.nat({ max: 30 }), { maxLength: 3 }), { maxLength: 30 })
    .map((rows) =>
      sound(
        ...rows.map((older, index) =>
          revision(
            `r${index}`,
            older.filter((at) => at < index && at % 2 === 0).map((at) => `r${at}`),
            { dependsOn: older.filter((at) => at < index && at % 2 === 1).map((at) => `r${at}`) },
          ),
        ),
      ),
    );
  const withIds = graphs.chain((history) =>
    fc.tuple(fc.constant(history), fc.subarray([...history.revisions.keys(), "unknown"])),
  );

  test("ancestors are closed under needs and nothing more", () => {
    fc.assert(
      fc.property(withIds, ([history, ids]) => {
        const found = ancestors(history, ids);
        for (const id of ids) expect(found.has(id)).toBe(history.revisions.has(id));
        for (const id of found)
          for (const older of history.needs.get(id) ?? []) expect(found).toContain(older);
        for (const id of found) {
          const needed = [...found].some(
            (newer) => history.needs.get(newer)?.includes(id) === true,
          );
          expect(needed || ids.includes(id)).toBe(true);
        }
      }),
    );
  });

  test("the maximal ones have the same ancestors, and none of them stands on another", () => {
    fc.assert(
      fc.property(withIds, ([history, ids]) => {
        const top = maximal(history, [...ids, ...ids]);
        expect([...ancestors(history, top)].sort()).toEqual([...ancestors(history, ids)].sort());
        for (const id of top)
          for (const other of top)
            if (id !== other) expect(ancestors(history, [other]).has(id)).toBe(false);
        expect(top.includes("unknown")).toBe(ids.includes("unknown"));
      }),
    );
  });

  test("the order puts what is needed first", () => {
    fc.assert(
      fc.property(graphs, (history) => {
        const position = new Map([...history.revisions.keys()].map((id, index) => [id, index]));
        for (const [id, needed] of history.needs)
          for (const older of needed)
            expect(position.get(older) ?? Infinity).toBeLessThan(position.get(id) ?? -1);
      }),
    );
  });
});
