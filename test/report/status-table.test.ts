import { expect, test } from "vitest";
import { statusTable } from "../../src/report/status-table.ts";

const applied = { recorded: true, proven: true, pending: false };
const waiting = { recorded: false, proven: false, pending: true };
const revisions = Array.from({ length: 30 }, (_, index) => ({
  id: String(index + 1).padStart(3, "0"),
  title: index === 0 ? "créer 顧客" : `step ${index + 1}`,
  ...(index < 28 ? applied : waiting),
}));

test("a row a revision, and of many that are alike the first and the last", () => {
  expect(statusTable(revisions, false)).toEqual([
    "revision  title                recorded  proven  pending",
    "001       créer 顧客             yes       yes",
    "002       step 2               yes       yes",
    "003       step 3               yes       yes",
    "…         22 more (--verbose)",
    "026       step 26              yes       yes",
    "027       step 27              yes       yes",
    "028       step 28              yes       yes",
    "029       step 29                                yes",
    "030       step 30                                yes",
  ]);
});

test("--verbose: every one", () => {
  expect(statusTable(revisions, true)).toHaveLength(31);
});
