import { describe, expect, test } from "vitest";
import type { History } from "../../src/core/history.ts";
import { nameHeads, nameRevision, nameRevisions } from "../../src/core/words.ts";
import { historyOf, revision } from "./model.ts";

/** Revisions `r1` to `r160`, each with a title. */
const history: History = withTitles(
  Array.from({ length: 160 }, (_, index) => [`r${index + 1}`, `Step ${index + 1}`] as const),
);

function withTitles(titles: readonly (readonly [string, string])[]): History {
  const bare = historyOf(titles.map(([id]) => revision(id, [])));
  const revisions = titles.map(
    ([id, title]) => [id, { ...bare.revisions.get(id)!, title }] as const,
  );
  return { ...bare, revisions: new Map(revisions) };
}

describe("a revision has its title beside its id", () => {
  test.each([
    ["a1b2c3", "Add orders", "a1b2c3 (Add orders)"],
    ["a1b2c3", "", "a1b2c3"],
    ["add_orders", "Add orders", "add_orders"],
    ["gone", "Add orders", "gone"],
  ])("%s, %j: %s", (id, title, said) => {
    expect(nameRevision(id, withTitles([[id === "gone" ? "x" : id, title]]))).toBe(said);
  });

  test("heads, of which there may be none", () => {
    expect(nameHeads(["r1", "r2"], history)).toBe("r1 (Step 1), r2 (Step 2)");
    expect(nameHeads([], history)).toBe("base (nothing applied)");
  });
});

test("of many revisions a plan says the first and the last", () => {
  const ids = [...history.revisions.keys()];
  expect(nameRevisions(ids.slice(0, 1), history)).toBe("revision r1 (Step 1)");
  expect(nameRevisions(ids.slice(0, 2), history)).toBe("2 revisions: r1 (Step 1), r2 (Step 2)");
  expect(nameRevisions(ids, history)).toBe("160 revisions, r1 (Step 1) to r160 (Step 160)");
});
