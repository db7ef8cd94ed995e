import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { claimOf, rowsFor } from "../../src/core/claim.ts";
import type { History } from "../../src/core/history.ts";
import type { Ledger } from "../../src/core/ledger.ts";
import type { Progress } from "../../src/core/migration.ts";
import type { VersionTable } from "../../src/core/observation.ts";
import {
  ledgerAsSpelled,
  progressAsSpelled,
  rowsInDoubt,
  tableAsSpelled,
  toStored,
} from "../../src/core/spelling.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import { supabase } from "../../src/tools/supabase/supabase.ts";
import { historyOf, observe, replayOf, revision, table } from "./model.ts";

type File = readonly [id: string, file: string, hash?: string];
type Row = readonly [version: string, name?: string, checksum?: string];

function filesOf(files: readonly File[], tool = sql): History {
  const ids = files.map(([id]) => id);
  const history = historyOf(
    ids.map((id, index) => revision(id, ids.slice(Math.max(0, index - 1), index))),
  );
  const revisions = files.map(([id, file, hash = `text of ${file}`]) => {
    return [id, { ...history.revisions.get(id)!, file: `migrations/${file}`, hash }] as const;
  });
  return { ...history, tool, revisions: new Map(revisions) };
}

function tableOf(rows: readonly Row[]): VersionTable {
  const stored = rows.map(([version]) => version);
  return {
    ...observe({ rows: [], facts: new Map() }).versionTable!,
    rows: stored,
    stored,
    fileNames: new Map(rows.map(([version, name = ""]) => [version, name])),
    digests: new Map(rows.map(([version, , checksum = ""]) => [version, checksum])),
  };
}

const a: File = ["27_a", "27_a.sql"];
const b: File = ["027_b", "027_b.sql"];
const alone: File = ["027", "027_a.sql"];

describe("what a row means", () => {
  const cases: readonly {
    readonly what: string;
    readonly files: readonly File[];
    readonly rows: readonly Row[];
    readonly meant: readonly string[];
  }[] = [
    { what: "itself", files: [alone], rows: [["027", "x", "y"]], meant: ["027"] },
    { what: "the same number", files: [alone], rows: [["0027", "x", "y"]], meant: ["027"] },
    { what: "no number", files: [alone], rows: [["x"], ["27b"]], meant: ["x", "27b"] },
    { what: "another number", files: [alone], rows: [["28", "a"]], meant: ["28"] },
    {
      what: "the same time",
      files: [["2024-01-31", "2024-01-31_a.sql"]],
      rows: [["20240131000000"]],
      meant: ["2024-01-31"],
    },
    { what: "by name", files: [a, b], rows: [["27", "b"]], meant: ["027_b"] },
    { what: "by text", files: [a, b], rows: [["27", "x", "text of 27_a.sql"]], meant: ["27_a"] },
    {
      what: "by text over the name",
      files: [a, b],
      rows: [["27", "b", "text of 27_a.sql"]],
      meant: ["27_a"],
    },
    { what: "nobody knows which", files: [a, b], rows: [["27", "x", "y"]], meant: ["27"] },
    {
      what: "two of one text",
      files: [
        ["7_a", "7_a.sql", "t"],
        ["7_b", "7_b.sql", "t"],
      ],
      rows: [["7", "x", "t"]],
      meant: ["7"],
    },
    {
      what: "each of two",
      files: [a, b],
      rows: [
        ["27", "a"],
        ["27_b", "b"],
      ],
      meant: ["27_a", "027_b"],
    },
    {
      what: "the name's new owner has a row of its own, and its text is gone",
      files: [a, b],
      rows: [
        ["27", "a", "its text before an edit"],
        ["27_a", "a"],
      ],
      meant: ["27", "27_a"],
    },
    { what: "a name of its own", files: [alone], rows: [["27_a", "a"]], meant: ["027"] },
    { what: "another's name", files: [alone], rows: [["27_c", "c"]], meant: ["27_c"] },
    {
      what: "another's name, renamed",
      files: [alone],
      rows: [["27_c", "c", "text of 027_a.sql"]],
      meant: ["027"],
    },
    {
      what: "the one that moved away",
      files: [alone],
      rows: [
        ["027", "c"],
        ["027_a", "a"],
      ],
      meant: ["027_c", "027"],
    },
    {
      what: "one number twice",
      files: [alone],
      rows: [
        ["27", "x"],
        ["027", "x"],
      ],
      meant: ["027", "027"],
    },
  ];

  it.each(cases)("$what", ({ files, rows, meant }) => {
    const history = filesOf(files);
    expect(tableAsSpelled({ history, ledger: null }, tableOf(rows)).rows).toEqual(meant);
  });

  it("of numbers that no file has any more, the ledger's revisions", () => {
    const before = filesOf([["26", "26_x.sql"], a, b]);
    const replay = replayOf([
      revision("26", []),
      revision("27_a", ["26"]),
      revision("027_b", ["27_a"]),
    ]);
    const ledger = writeLedger(before, replay, null, []);
    const history = filesOf([["28", "28_all.sql"]]);
    const spelled = tableAsSpelled({ history, ledger }, tableOf([["026"], ["27", "b"]]));
    expect(spelled.rows).toEqual(["26", "027_b"]);
  });

  it("only what is written, where a tool's versions are texts", () => {
    const history = filesOf([["027", "027_a.sql"]], supabase);
    const given = tableOf([["27", "a", "text of 027_a.sql"]]);
    expect(tableAsSpelled({ history, ledger: null }, given)).toBe(given);
    expect(rowsInDoubt(history, ["27"])).toEqual([]);
  });

  it("a row of which nobody knows whose it is stays no past", () => {
    const history = filesOf([a, b, ["28", "28_c.sql"]]);
    expect(rowsInDoubt(history, ["27", "28", "27_x"])).toEqual([
      { row: "27", ids: ["27_a", "027_b"] },
    ]);
    expect(rowsFor(history, ["28"], ["1", "27", "28"])).toEqual(["1", "27_a", "027_b", "28"]);
  });
});

describe("a note of what has begun", () => {
  const note = (version: string, checksum: string, done = 1): Progress => ({
    version,
    checksum,
    done,
    of: 3,
    line: 2,
    statement: "SELECT 1",
    state: "failed",
    error: "",
  });
  const cases: readonly {
    readonly what: string;
    readonly notes: readonly Progress[];
    readonly stored?: readonly string[];
    readonly meant: readonly Progress[];
  }[] = [
    { what: "itself", notes: [note("27_a", "x")], meant: [note("27_a", "x")] },
    {
      what: "by its text",
      notes: [note("0027", "text of 027_b.sql")],
      meant: [note("027_b", "text of 027_b.sql")],
    },
    { what: "of another text: nobody's", notes: [note("0027", "x")], meant: [note("0027", "x")] },
    { what: "of what has a row", notes: [note("27", "x")], stored: ["27"], meant: [] },
    {
      what: "the newer one, which says how far it came since",
      notes: [note("27", "text of 27_a.sql"), note("27_a", "text of 27_a.sql", 2)],
      meant: [note("27_a", "text of 27_a.sql", 2)],
    },
  ];
  it.each(cases)("is read as $what", ({ notes, stored = [], meant }) => {
    expect(progressAsSpelled(filesOf([a, b]), { stored }, notes)).toEqual(meant);
  });
});

const anyFiles = fc
  .uniqueArray(fc.tuple(fc.nat(4), fc.constantFrom("a", "b", "c")), {
    selector: ([number, name]) => `${number} ${name}`,
    maxLength: 6,
  })
  .map((all): readonly File[] =>
    all
      .toSorted(([one, first], [other, second]) => one - other || (first < second ? -1 : 1))
      .map(([number, name]): File => {
        const isShared = all.filter(([each]) => each === number).length > 1;
        const file = `0${number}_${name}.sql`;
        return [isShared ? `0${number}_${name}` : `0${number}`, file];
      }),
  );

const anyRows = fc.uniqueArray(
  fc
    .tuple(
      fc.constantFrom("", "0", "00"),
      fc.nat(4),
      fc.constantFrom("", "_a", "_b", "_x"),
      fc.constantFrom("a", "b", "x"),
      fc.constantFrom(
        "y",
        ...[0, 1, 2, 3, 4].flatMap((n) => [`text of 0${n}_a.sql`, `text of 0${n}_b.sql`]),
      ),
    )
    .map(([zeros, number, own, name, text]): Row => [
      `${zeros}${number}${own}`,
      own.slice(1) || name,
      text,
    ]),
  { selector: ([version]) => version, maxLength: 6 },
);

it("every row stays one, is found again as it was, and is no other number's", () => {
  fc.assert(
    fc.property(anyFiles, anyRows, (files, rows) => {
      const history = filesOf(files);
      const spelled = tableAsSpelled({ history, ledger: null }, tableOf(rows));
      const meant = (spelled.rows ?? []).filter((row) => row !== null);
      expect(meant).toHaveLength(rows.length);
      expect(toStored([...new Set(meant)], spelled).toSorted()).toEqual(
        rows.map(([version]) => version).toSorted(),
      );
      for (const [index, [version]] of rows.entries())
        expect(parseInt(meant[index]!)).toBe(parseInt(version));
      // What is pending has no row of its number, or one that is another file's, or is in doubt.
      const { applied } = claimOf(history, meant);
      for (const [id, file] of files) {
        const sharing = files.filter(([other]) => parseInt(other) === parseInt(id));
        const bare = rows.filter(
          ([version]) => /^\d+$/.test(version) && parseInt(version) === parseInt(id),
        );
        if (applied.has(id) || sharing.length > 1 || bare.length === 0) continue;
        throw new Error(`${file} would run again`);
      }
    }),
    { numRuns: 3_000 },
  );
});

describe("a ledger from before", () => {
  const rows = [revision("026", []), revision("027", ["026"], table("people", "id"))];
  const before = filesOf([
    ["026", "026_z.sql"],
    ["027", "027_b.sql", "hash of b"],
  ]);
  const baked = writeLedger(
    before,
    { ...replayOf(rows), without: new Map([["postgis", { created: ["027"], dropped: [] }]]) },
    null,
    [],
  );

  it("has the ids that the history has now", () => {
    const history = filesOf([
      ["026", "026_z.sql"],
      ["027_a", "027_a.sql"],
      ["027_b", "027_b.sql", "hash of b"],
    ]);
    const ledger = ledgerAsSpelled(baked, history);
    expect([...ledger.revisions.keys()]).toEqual(["026", "027_b"]);
    expect(ledger.states.map(({ heads }) => heads)).toEqual([[], ["026"], ["027_b"]]);
    expect(ledger.without).toEqual(new Map([["postgis", { created: ["027_b"], dropped: [] }]]));
    expect(back(ledger)).toEqual(back(baked));
  });

  it("keeps as retired what had its number in another spelling, and is there in this one", () => {
    const history = filesOf([
      ["26", "26_z.sql"],
      ["27", "27_b.sql"],
    ]);
    const once = ledgerAsSpelled(baked, history);
    const twice = {
      ...once,
      revisions: new Map([
        ...once.revisions,
        ["027", { ...baked.revisions.get("027")!, retired: true }],
      ]),
    };
    expect([...ledgerAsSpelled(twice, history).revisions.keys()]).toEqual(["26", "27", "027"]);
  });

  it("is as it was where nothing is spelled in another way", () => {
    expect(ledgerAsSpelled(baked, before)).toBe(baked);
    expect(ledgerAsSpelled(baked, filesOf([["1", "1_x.sql"]]))).toBe(baked);
  });
});

/** Without the ids. */
function back({ states, facts }: Ledger): unknown {
  return [facts, states.map(({ added, dropped, from }) => [added, dropped, from])];
}
