import { expect, it } from "vitest";
import type { JournalEntry } from "../../src/core/journal.ts";
import { journalTable } from "../../src/report/journal-table.ts";

const stamp: JournalEntry = {
  entry: 1,
  tool: "alembic",
  versionTable: "public.alembic_version",
  home: "public",
  kind: "stamp",
  state: "done",
  beganAt: "2026-01-01T00:00:00Z",
  endedAt: "2026-01-01T00:00:01Z",
  rowsBefore: [],
  rowsAfter: ["a"],
  evidence: {
    verdict: "unversioned",
    what: ["a"],
    because: "proven",
    proven: ["a"],
    tolerated: [],
  },
  ledger: null,
  undoes: null,
  runId: "test",
  role: "shop",
  image: null,
  program: "0",
};

function whats(entries: readonly Partial<JournalEntry>[]): readonly string[] {
  const lines = journalTable(
    entries.map((each, index) => ({ ...stamp, entry: index + 1, ...each })),
  );
  return lines.slice(1).map((line) => line.split(/ {2,}/)[2] ?? "");
}

it("says what each entry was, and what became of it", () => {
  expect(
    whats([
      {},
      { kind: "widen" },
      { kind: "upgrade" },
      { kind: "upgrade", state: "failed" },
      { kind: "upgrade", state: "begun", rowsAfter: null },
      { kind: "undo", undoes: 1 },
    ]),
  ).toEqual([
    "stamp (proven), undone by 6",
    "widen",
    "upgrade",
    "upgrade, failed",
    "upgrade, end not seen",
    "undo of 1",
  ]);
});

it("counts rows where there are many, and lets none of them move a terminal's cursor", () => {
  const [, line] = journalTable([
    { ...stamp, rowsBefore: ["9", "10", null, "2"], rowsAfter: ["a\u001b[2J\nb"], image: "1.4\r" },
  ]);
  expect(line?.split(/ {2,}/).slice(-3)).toEqual(["4, to 10", "a�[2J�b", "shop, image 1.4�"]);
});
