import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { combine, type Knowledge } from "../../src/core/knowledge.ts";
import { libraryNames } from "../../src/core/library-tables.ts";
import type { Revision } from "../../src/core/revision.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import {
  databaseAt,
  fact,
  historyOf,
  knowledgeOf,
  observe,
  replayOf,
  revision,
  table,
} from "./model.ts";

// A history that makes what a library would have made: it is this history's like all the rest.

const own = [
  revision("customers", [], table("customers", "email")),
  revision("jobs", ["customers"], table("apscheduler_jobs", "id", "job_state")),
];
const knowledge = knowledgeOf(own);

it("is drift where it lost a column", () => {
  const { facts, ...rest } = observe(databaseAt(own, ["jobs"]));
  const live = facts.filter(({ name }) => name !== "job_state");
  expect(diagnose(knowledge, { ...rest, facts: live }).kind).toBe("drifted");
});

it("stands in the way of the revision that will make it", () => {
  const looked = observe(databaseAt(own, ["customers"]));
  const facts = [...looked.facts, ...table("apscheduler_jobs", "id")];
  expect(diagnose(knowledge, { ...looked, facts }).kind).not.toBe("behind");
});

it("and so does a table whose index has a name that a revision will take", () => {
  const indexed = [
    own[0]!,
    revision(
      "by_email",
      ["customers"],
      [
        fact(
          "index",
          "public.customers",
          "by_id",
          "CREATE INDEX by_id ON public.customers (email)",
        ),
      ],
    ),
  ];
  const known = knowledgeOf(indexed);
  const looked = observe(databaseAt(indexed, ["customers"]));
  const theirs = fact(
    "index",
    "public.apscheduler_jobs",
    "by_id",
    "CREATE INDEX by_id ON public.apscheduler_jobs (id)",
  );
  const facts = [...looked.facts, ...table("apscheduler_jobs", "id"), theirs];
  expect(diagnose(known, { ...looked, facts }).kind).toBe("drifted");
});

describe("a history that makes such a table, and a database that has nothing else", () => {
  const make = (sketch: Revision["sketch"], isBaked: boolean): Knowledge => {
    const first = revision("jobs", []);
    const history = historyOf(isBaked ? own : [first]);
    const [id, file] = [...history.revisions].at(-1)!;
    const revisions = new Map([
      ...history.revisions,
      [id, { ...file, sketch, hash: "of its text" }],
    ]);
    const ledger = isBaked
      ? writeLedger(historyOf(own), replayOf(own.slice(0, 1)), null, [])
      : null;
    return combine({ ...history, revisions }, ledger);
  };
  const createdIn = (schema: string | null, name: string): Revision["sketch"] => [
    { kind: "create-table", table: { schema, name }, columns: [] },
  ];
  const cases: readonly { readonly what: string; readonly knowledge: Knowledge }[] = [
    { what: "named with its schema", knowledge: make(createdIn("public", "casbin_rule"), false) },
    {
      what: "renamed to it",
      knowledge: make(
        [
          ...createdIn(null, "rules"),
          { kind: "rename-table", table: { schema: null, name: "rules" }, to: "casbin_rule" },
        ],
        false,
      ),
    },
    { what: "in words that nobody reads", knowledge: make([], false) },
    { what: "since the bake", knowledge: make(createdIn(null, "casbin_rule"), true) },
  ];
  it.each(cases)("is not fresh: $what", ({ knowledge: known }) => {
    const looked = observe({ rows: [], facts: new Map() });
    const facts = table("casbin_rule", "id");
    expect(diagnose(known, { ...looked, facts }).kind).not.toBe("fresh");
  });
});

it.each(libraryNames)("docs/supported.md names %s", (name) => {
  const text = readFileSync(path.join(import.meta.dirname, "../../docs/supported.md"), "utf8");
  expect(text).toContain(name);
});
