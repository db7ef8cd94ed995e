import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { ancestors } from "../../src/core/history.ts";
import { combine } from "../../src/core/knowledge.ts";
import { decodeLedger, encodeLedger } from "../../src/core/ledger-text.ts";
import { factsOfHeads, type Ledger, openLedger } from "../../src/core/ledger.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import {
  anyRevisions,
  databaseAt,
  fact,
  factsAfter,
  historyOf,
  type ModelRevision,
  observe,
  replayOf,
  revision,
  table,
} from "./model.ts";

const chain = [
  revision("one", [], table("customers", "email")),
  revision("two", ["one"], table("orders", "total")),
  revision("three", ["two"], [fact("column", "public.orders", "status", "text")]),
];

describe("the ledger's text", () => {
  it("reads back as it was written, and is written again with the same bytes", () => {
    fc.assert(
      fc.property(anyRevisions, (revisions) => {
        const text = encodeLedger(ledgerOf(revisions));
        const decoded = decodeLedger(text);
        expect(decoded.kind).toBe("ledger");
        if (decoded.kind !== "ledger") return;
        expect(encodeLedger(decoded.ledger)).toBe(text);
        const again = writeLedger(historyOf(revisions), replayOf(revisions), decoded.ledger, []);
        expect(encodeLedger(again)).toBe(text);
      }),
    );
  });

  it("keeps what it knew of revisions whose files are gone, also when baked twice more", () => {
    fc.assert(
      fc.property(anyRevisions, fc.nat(), (revisions, cut) => {
        const kept = revisions.slice(0, 1 + (cut % revisions.length));
        const bake = (previous: Ledger): Ledger =>
          writeLedger(historyOf(kept), replayOf(kept), reread(previous), []);
        const once = bake(ledgerOf(revisions));
        expect([...once.revisions.keys()].sort()).toEqual(revisions.map(({ id }) => id).sort());
        expect(encodeLedger(bake(once))).toBe(encodeLedger(once));
      }),
    );
  });

  it("names the schemas that a platform gives, and says nothing where there are none", () => {
    const given = ["auth", 'the "storage"'];
    const replay = { ...replayOf(chain), given };
    const ledger = writeLedger(historyOf(chain), replay, null, []);
    const line = '"preflight":"ledger","v":2,"tool":"alembic","server":15,';
    expect(encodeLedger(ledgerOf(chain)).split("\n")[1]).toBe(line);
    expect(encodeLedger(ledger).split("\n")[1]).toBe(`${line}"given":${JSON.stringify(given)},`);
    expect(reread(ledger).given).toEqual(given);
    const empty = { ...replayOf(chain), given: [] };
    expect(writeLedger(historyOf(chain), empty, ledger, []).given).toEqual([]);
  });

  it("adds lines for a new revision and moves none", () => {
    const before = encodeLedger(ledgerOf(chain.slice(0, 2))).split("\n");
    const after = encodeLedger(ledgerOf(chain)).split("\n");
    const missing = before.filter((line) => !after.includes(line) && !after.includes(`${line},`));
    expect(missing).toEqual([]);
  });

  it.each([
    ["{", "truncated"],
    ['{"preflight":"ledger","v":1,"states":[{"heads":[]', "truncated"],
    ['{"preflight":"ledger","v":1}', "truncated"],
    ['{"preflight":"ledger","v":2}', "truncated"],
    ['{"preflight":"ledger","v":3}', "other-format"],
    ['{"preflight":"ledger","v":1,"given":"auth","revisions":[],"states":[]}', "truncated"],
    ["{}", "other-format"],
    ["[]", "other-format"],
    ["null", "other-format"],
    ['"ledger"', "other-format"],
  ])("%s is %s", (text, kind) => {
    expect(decodeLedger(text).kind).toBe(kind);
  });

  it("says of any cut or garbled text what is wrong with it, and never throws", () => {
    const text = encodeLedger(ledgerOf(chain));
    fc.assert(
      fc.property(fc.nat(text.length), fc.string({ maxLength: 5 }), (at, garbage) => {
        const decoded = decodeLedger(text.slice(0, at) + garbage + text.slice(at + 3));
        if (decoded.kind !== "ledger") expect(decoded.why).not.toBe("");
      }),
      { numRuns: 1000 },
    );
  });
});

describe("what a revision does to rows", () => {
  it("is unknown where nothing was seen, nothing shows and upgrade() is not empty", () => {
    const revisions = [...chain, revision("grant", ["three"]), revision("merge", ["grant"])];
    const history = historyOf(revisions);
    const full = { ...history.revisions.get("grant")!, isEmpty: false };
    const { revisions: known } = writeLedger(
      { ...history, revisions: new Map(history.revisions).set("grant", full) },
      replayOf(revisions),
      null,
      [],
    );
    expect(known.get("grant")?.data).toBe("unknown");
    expect(known.get("merge")?.data).toBe("none");
    expect(known.get("three")?.data).toBe("none");
  });
});

describe("a revision that commits all at once", () => {
  it("is one whose file says so, and that was seen to", () => {
    const revisions = [...chain, revision("parts", ["three"], [], { isAtomic: false })];
    const replay = { ...replayOf(revisions), atomic: new Set(["one", "three", "parts"]) };
    const { revisions: known } = writeLedger(historyOf(revisions), replay, null, []);
    const atomic = [...known.values()].filter(({ isAtomic }) => isAtomic).map(({ id }) => id);
    expect(atomic).toEqual(["one", "three"]);
  });
});

describe("the facts of a set of heads", () => {
  it("are what its revisions make, also where the bake never passed through it", () => {
    fc.assert(
      fc.property(
        anyRevisions,
        fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
        (revisions, picks) => {
          const history = historyOf(revisions);
          const ledger = openLedger(ledgerOf(revisions));
          const applied = ancestors(
            history,
            picks.map((pick) => revisions[pick % revisions.length]!.id),
          );
          const positions = factsOfHeads(ledger, history, heads(revisions, applied));
          const made = [...factsAfter(revisions, applied).keys()].sort();
          const recorded = [...(positions ?? [])].map((position) => ledger.facts[position]!);
          expect(
            recorded
              .map((each) => `${each.kind}\0${each.object}\0${each.name}\0${each.definition}`)
              .sort(),
          ).toEqual(made);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("a second spelling", () => {
  const check = fact("constraint", "public.customers", "c", "CHECK (a = ANY (ARRAY['x']))");
  const restored = { ...check, definition: "CHECK (a = ANY (ARRAY[('x')]))" };

  it.each([
    ["that no revision writes", []],
    [
      "that a later revision writes",
      [
        revision("again", ["data"], [restored], { drops: [check] }),
        revision("last", ["again"], table("t", "a")),
      ],
    ],
  ] as const)("%s is recognised as the fact itself", (_, later) => {
    const revisions: readonly ModelRevision[] = [
      revision("one", [], [...table("customers", "email"), check]),
      revision("data", ["one"], table("u", "a"), { data: "writes" }),
      ...later,
    ];
    const history = historyOf(revisions);
    const replay = {
      ...replayOf(revisions),
      spellings: [{ fact: check, definition: restored.definition }],
    };
    const knowledge = combine(history, reread(writeLedger(history, replay, null, [])));
    const facts = new Map(databaseAt(revisions, ["one"]).facts);
    for (const [key, { name }] of facts) if (name === "c") facts.set(key, restored);
    expect(diagnose(knowledge, observe({ rows: [], facts }))).toMatchObject({
      kind: "unversioned",
      identified: { kind: "proven", heads: ["one"], by: "facts" },
    });
    expect(diagnose(knowledge, observe({ rows: ["one"], facts }))).toMatchObject({
      kind: "behind",
    });
  });
});

it.each([
  ["validated", " NOT VALID"],
  ["switched on again", " TRIGGERS DISABLED"],
])("what was dumped, restored and then %s is the fact itself", (_, weakness) => {
  const made = fact("constraint", "public.customers", "c", `CHECK (a = ANY ('{x}'))${weakness}`);
  const restored = `CHECK (a = ANY (ARRAY[('x')]))`;
  const revisions: readonly ModelRevision[] = [
    revision("one", [], [...table("customers", "email"), made]),
  ];
  const history = historyOf(revisions);
  const replay = {
    ...replayOf(revisions),
    spellings: [{ fact: made, definition: `${restored}${weakness}` }],
  };
  const knowledge = combine(history, reread(writeLedger(history, replay, null, [])));
  const verdictOf = (definition: string): string => {
    const facts = new Map(databaseAt(revisions, ["one"]).facts);
    for (const [key, { name }] of facts) if (name === "c") facts.set(key, { ...made, definition });
    return diagnose(knowledge, observe({ rows: ["one"], facts })).kind;
  };
  expect(verdictOf(restored)).toBe("current");
  expect(verdictOf(restored.replace("x", "y"))).toBe("drifted");
});

describe("a ledger that does not fit the files", () => {
  describe("is stale when a revision is new", () => {
    const knowledge = combine(historyOf(chain), ledgerOf(chain.slice(0, 2)));
    const judge = (at: string, rows: readonly string[]) =>
      diagnose(knowledge, observe({ ...databaseAt(chain, [at]), rows }));

    it("names it, and judges what is recorded below it as ever", () => {
      expect(knowledge).toMatchObject({ status: "stale", lacking: ["three"] });
      expect(judge("two", ["two"])).toMatchObject({ kind: "behind", verified: true });
      expect(judge("one", ["two"])).toMatchObject({
        kind: "mismatched",
        identified: { kind: "proven", heads: ["one"] },
      });
      const facts = databaseAt(chain, ["two"]).facts;
      const dropped = new Map([...facts].filter(([, { name }]) => name !== "total"));
      expect(diagnose(knowledge, observe({ rows: ["two"], facts: dropped }))).toMatchObject({
        kind: "drifted",
        differences: [{ kind: "missing", tolerable: false }],
      });
    });

    it("proves the states that it cannot be mistaken for, and no other", () => {
      expect(judge("one", [])).toMatchObject({ identified: { kind: "proven", heads: ["one"] } });
      // The new one may have run and changed no schema.
      expect(judge("two", [])).toMatchObject({ identified: { kind: "sketched", why: "stale" } });
    });

    it("does not say that a schema was compared where rows hold the new one", () => {
      expect(judge("three", ["three"])).toMatchObject({ kind: "current", verified: false });
    });
  });

  it("is stale when a revision was edited, and knows nothing of what stands on it", () => {
    const edited = historyOf(chain);
    const two = { ...edited.revisions.get("two")!, hash: "another text" };
    const history = { ...edited, revisions: new Map(edited.revisions).set("two", two) };
    const knowledge = combine(history, ledgerOf(chain));
    expect(knowledge).toMatchObject({ status: "stale", lacking: ["two"] });
    const judge = (at: string) => diagnose(knowledge, observe(databaseAt(chain, [at])));
    expect(judge("one")).toMatchObject({ kind: "behind", verified: true });
    expect(judge("three")).toMatchObject({ kind: "current", verified: false });
    const unversioned = observe({ ...databaseAt(chain, ["three"]), rows: [] });
    expect(diagnose(knowledge, unversioned)).toMatchObject({ identified: { kind: "nearest" } });
  });

  it("still knows a revision whose file is gone: at head the application starts", () => {
    const knowledge = combine(historyOf(chain.slice(0, 2)), ledgerOf(chain));
    expect(knowledge).toMatchObject({ status: "verified", unfiled: ["three"] });
    const verdict = diagnose(knowledge, observe(databaseAt(chain, ["three"])));
    expect(verdict).toMatchObject({ kind: "current", heads: ["three"] });
  });

  it("knows a revision that was deleted before the bake as retired", () => {
    const kept = chain.slice(0, 2);
    const ledger = writeLedger(historyOf(kept), replayOf(kept), ledgerOf(chain), []);
    const verdict = diagnose(
      combine(historyOf(kept), ledger),
      observe(databaseAt(chain, ["three"])),
    );
    expect(verdict).toMatchObject({
      kind: "missing-file",
      identified: { kind: "retired", heads: ["three"] },
    });
  });
});

function ledgerOf(revisions: readonly ModelRevision[]): Ledger {
  return writeLedger(historyOf(revisions), replayOf(revisions), null, []);
}

function reread(ledger: Ledger): Ledger {
  const decoded = decodeLedger(encodeLedger(ledger));
  if (decoded.kind !== "ledger") throw new Error(decoded.why);
  return decoded.ledger;
}

function heads(
  revisions: readonly ModelRevision[],
  applied: ReadonlySet<string>,
): readonly string[] {
  const below = new Set(
    revisions.filter(({ id }) => applied.has(id)).flatMap(({ needs }) => needs),
  );
  return [...applied].filter((id) => !below.has(id)).sort();
}
