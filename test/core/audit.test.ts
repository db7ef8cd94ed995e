import { expect, test } from "vitest";
import {
  countLevels,
  describeCounts,
  describeFinding,
  type Finding,
  findingsOfFaults,
  type Level,
} from "../../src/core/audit.ts";
import type { HistoryFault } from "../../src/core/history.ts";

test.each<readonly [HistoryFault, Partial<Finding>]>([
  [
    { kind: "unreadable", file: "a/1.sql", line: 3, column: 7, why: "syntax error" },
    { file: "a/1.sql", line: 3, seen: "syntax error (column 7)" },
  ],
  [
    { kind: "unreadable", file: "1.sql", line: null, column: null, why: "it is empty" },
    { file: "1.sql", line: null, seen: "it is empty" },
  ],
  [
    { kind: "duplicate-id", id: "1", files: ["1_a.sql", "1_b.sql"] },
    { file: "1_a.sql", line: null, seen: "revision 1 is in 2 files: 1_a.sql, 1_b.sql" },
  ],
  [
    { kind: "missing-parent", id: "b", file: "b.py", parent: "a" },
    { file: "b.py", seen: "b.py: revision b follows a, which no file has" },
  ],
  [
    { kind: "cycle", ids: ["a", "b"] },
    { file: null, line: null, seen: "these revisions follow each other in a circle: a → b" },
  ],
])("a fault is a finding: %j", (fault, expected) => {
  const [finding, ...others] = findingsOfFaults([fault]);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ level: "fault", rule: fault.kind, ...expected });
  expect(finding?.remedy).not.toBe("");
});

test.each<readonly [Partial<Finding>, string]>([
  [{}, "a.sql:4: danger (drop-table): it goes: data is lost. Remedy: keep it"],
  [{ line: null }, "a.sql: danger (drop-table): it goes: data is lost. Remedy: keep it"],
  [{ file: null, line: null }, "danger (drop-table): it goes: data is lost. Remedy: keep it"],
])("a finding in one line, with %j", (change, expected) => {
  expect(describeFinding({ ...finding("danger"), ...change })).toBe(expected);
});

test("levels are counted, the worst first, and none that is not there", () => {
  const levels: readonly Level[] = ["note", "danger", "note", "warning", "danger", "note"];
  const counts = countLevels(levels.map(finding));
  expect(counts).toEqual({ fault: 0, danger: 2, warning: 1, note: 3 });
  expect(describeCounts(counts)).toBe("2 dangers, 1 warning, 3 notes");
  expect(describeCounts(countLevels([]))).toBe("no faults");
});

function finding(level: Level): Finding {
  return {
    level,
    rule: "drop-table",
    file: "a.sql",
    line: 4,
    seen: "it goes",
    why: "data is lost",
    remedy: "keep it",
  };
}
