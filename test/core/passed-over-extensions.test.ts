import { describe, expect, it } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { combine } from "../../src/core/knowledge.ts";
import { planFor } from "../../src/core/plan.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import {
  fact,
  factsAfter,
  historyOf,
  observe,
  policy,
  replayOf,
  revision,
  table,
} from "./model.ts";

// Four revisions, and an extension that the bake passed over: what a stamp says of it must be seen.

const revisions = [
  revision("one", [], table("one", "id")),
  revision("two", ["one"], table("two", "id")),
  revision("three", ["two"], table("three", "id")),
  revision("four", ["three"], table("four", "id")),
];

type Case = {
  readonly what: string;
  readonly created: readonly string[];
  readonly dropped: readonly string[];
  /** The newest revision whose tables are there. */
  readonly at: string;
  readonly isThere: boolean;
  readonly stamps: boolean;
};

const cases: readonly Case[] = [
  { what: "created", created: ["two"], dropped: [], at: "two", isThere: true, stamps: true },
  { what: "not created", created: ["two"], dropped: [], at: "two", isThere: false, stamps: false },
  { what: "not yet", created: ["two"], dropped: [], at: "one", isThere: false, stamps: true },
  {
    what: "dropped",
    created: ["two"],
    dropped: ["three"],
    at: "three",
    isThere: false,
    stamps: true,
  },
  {
    what: "not dropped",
    created: ["two"],
    dropped: ["three"],
    at: "three",
    isThere: true,
    stamps: false,
  },
  {
    what: "created again",
    created: ["two", "four"],
    dropped: ["three"],
    at: "four",
    isThere: false,
    stamps: false,
  },
  { what: "created unseen", created: [], dropped: [], at: "one", isThere: false, stamps: false },
  {
    what: "created unseen, dropped",
    created: [],
    dropped: ["three"],
    at: "three",
    isThere: false,
    stamps: true,
  },
  {
    what: "created unseen, not dropped",
    created: [],
    dropped: ["three"],
    at: "three",
    isThere: true,
    stamps: false,
  },
  {
    what: "created unseen, dropped later",
    created: [],
    dropped: ["three"],
    at: "two",
    isThere: true,
    stamps: true,
  },
];

describe("without version rows", () => {
  it.each(cases)("$what", ({ created, dropped, at, isThere, stamps }) => {
    const history = historyOf(revisions);
    const replay = { ...replayOf(revisions), without: new Map([["passed", { created, dropped }]]) };
    const knowledge = combine(history, writeLedger(history, replay, null, []));
    const upTo = revisions.findIndex(({ id }) => id === at);
    const applied = new Set(revisions.slice(0, upTo + 1).map(({ id }) => id));
    const seen = observe({ rows: [], facts: factsAfter(revisions, applied) });
    const extension = isThere ? [fact("extension", "passed", "", "SCHEMA public")] : [];
    const observation = { ...seen, facts: [...seen.facts, ...extension] };
    const verdict = diagnose(knowledge, observation);
    expect(verdict).toMatchObject({ kind: "unversioned", identified: { kind: "proven" } });
    const plan = planFor(verdict, policy, { knowledge, observation, assumption: null });
    expect(plan).toMatchObject(
      stamps
        ? { kind: "act", steps: [{ kind: "stamp", to: [at] }, ...(at === "four" ? [] : [{}])] }
        : { kind: "refuse", outcome: "unproven" },
    );
  });
});
