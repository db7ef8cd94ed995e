import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { libraryNames } from "../../src/core/library-tables.ts";
import { databaseAt, fact, knowledgeOf, observe, revision, table } from "./model.ts";

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

it.each(libraryNames)("docs/supported.md names %s", (name) => {
  const text = readFileSync(path.join(import.meta.dirname, "../../docs/supported.md"), "utf8");
  expect(text).toContain(name);
});
