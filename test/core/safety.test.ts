import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { type Fact, factKey } from "../../src/core/facts.ts";
import { ancestors, maximal } from "../../src/core/history.ts";
import { combine } from "../../src/core/knowledge.ts";
import { planFor } from "../../src/core/plan.ts";
import type { Policy } from "../../src/core/step.ts";
import {
  answersOf,
  anyRevisions,
  carryOut,
  databaseAt,
  fact,
  historyOf,
  knowledgeOf,
  type ModelDatabase,
  type ModelRevision,
  observe,
} from "./model.ts";

const policy: Policy = {
  stamp: "proven",
  drift: "fail",
  ahead: "compatible",
  unverified: "start",
  assume: null,
  allowOutOfOrder: false,
  resume: false,
};
const often = { numRuns: 2_000 };

describe("for any history and any database", () => {
  it("always answers, even where ledger, files and database have nothing in common", () => {
    fc.assert(
      fc.property(
        anyRevisions,
        anyRevisions,
        anyRevisions,
        fc.array(fc.string()),
        (files, baked, applied, rows) => {
          const history = historyOf(files.map(renamed));
          const ledger = knowledgeOf(baked).ledger;
          const database = databaseAt(applied, historyOf(applied).heads);
          const observation = observe({ ...database, rows });
          for (const knowledge of [
            combine(history, null),
            combine(history, ledger),
            { ...combine(history, ledger), status: "verified" } as const,
          ]) {
            const verdict = diagnose(knowledge, observation);
            const plan = planFor(verdict, policy, { knowledge, observation, assumption: null });
            if (plan.kind === "refuse") expect(plan.reason.length).toBeGreaterThan(10);
            if (plan.kind === "refuse") expect(plan.next.length).toBeGreaterThan(0);
          }
        },
      ),
      often,
    );
  });

  it("a plan, carried out, gives a database that may start", () => {
    fc.assert(
      fc.property(anyDamagedDatabase, ({ revisions, database }) => {
        let state: ModelDatabase = database;
        for (let round = 1; round <= 3; round++) {
          const { plan, verdict } = decide(revisions, state);
          if (plan.kind !== "act") {
            if (round > 1)
              expect([verdict.kind, plan.kind]).toEqual([
                expect.stringMatching(/^(current|drifted)$/),
                "start",
              ]);
            return;
          }
          const after = carryOut(revisions, state, plan.steps);
          expect(after, "a planned upgrade must not fail").not.toBeNull();
          state = after!;
        }
        expect.unreachable("three rounds must do");
      }),
      often,
    );
  });

  it("never stamps so that a data migration is skipped or repeated", () => {
    fc.assert(
      fc.property(anyLyingDatabase, ({ revisions, database }) => {
        const { plan } = decide(revisions, database);
        // Rows that lie about a revision without a trace are believed; only stamps are our own word.
        if (plan.kind !== "act" || !plan.steps.some(({ kind }) => kind === "stamp")) return;
        const after = carryOut(revisions, database, plan.steps);
        const wanted = revisions.filter(({ data }) => data !== "none").map(({ id }) => [id, 1]);
        expect(Object.fromEntries(after?.ran ?? [])).toEqual(Object.fromEntries(wanted));
      }),
      often,
    );
  });

  it("proves a state only if the schema is what that state's revisions make", () => {
    fc.assert(
      fc.property(anyDamagedDatabase, ({ revisions, database }) => {
        const { plan } = decide(revisions, database);
        const stamp =
          plan.kind === "act" ? plan.steps.find(({ kind }) => kind === "stamp") : undefined;
        if (stamp?.kind !== "stamp") return;
        const made = databaseAt(revisions, stamp.to).facts;
        for (const [key, { kind }] of made)
          if (kind !== "comment") expect(database.facts.has(key)).toBe(true);
      }),
      often,
    );
  });
});

function renamed(each: ModelRevision): ModelRevision {
  return { ...each, id: `x${each.id}`, needs: each.needs.map((id) => `x${id}`) };
}

function decide(revisions: readonly ModelRevision[], database: ModelDatabase) {
  const knowledge = knowledgeOf(revisions);
  const observation = observe(database, { rows: answersOf(revisions, database) });
  const verdict = diagnose(knowledge, observation);
  return { verdict, plan: planFor(verdict, policy, { knowledge, observation, assumption: null }) };
}

/** Some downward-closed part of the history. */
function somePart(
  revisions: readonly ModelRevision[],
  picks: readonly number[],
): readonly string[] {
  const history = historyOf(revisions);
  const ids = picks.map((pick) => revisions[pick % revisions.length]!.id);
  return maximal(history, ancestors(history, ids));
}

/**
 * The schema is exactly some part's, the data migrations of that part ran; the rows say anything. Where there are none, it
 * may have been made by create_all() or from a dump: then some of the data migrations never ran.
 */
const anyLyingDatabase = fc
  .tuple(anyRevisions, fc.array(fc.nat(), { maxLength: 2 }), rowsOrNone(), fc.array(fc.nat(8)))
  .map(([revisions, truth, claim, skipped]) => {
    const rows = claim === null ? [] : somePart(revisions, claim);
    const database = databaseAt(revisions, somePart(revisions, truth), rows);
    const neverRan = rows.length > 0 ? [] : skipped.map((index) => `r${index}`);
    const ran = new Map([...database.ran].filter(([id]) => !neverRan.includes(id)));
    return { revisions, database: { ...database, ran } };
  });

/** Facts taken away, changed and added by hand. */
const anyDamagedDatabase = fc
  .tuple(
    anyLyingDatabase,
    fc.array(fc.tuple(fc.constantFrom("lose", "change", "extra"), fc.nat()), { maxLength: 2 }),
  )
  .map(([{ revisions, database }, damages]) => {
    const facts = new Map(database.facts);
    for (const [damage, pick] of damages) hurt(facts, damage, pick);
    return { revisions, database: { ...database, facts } };
  });

function rowsOrNone(): fc.Arbitrary<readonly number[] | null> {
  return fc.option(fc.array(fc.nat(), { maxLength: 2 }), { nil: null });
}

function hurt(facts: Map<string, Fact>, damage: string, pick: number): void {
  const victim = [...facts.values()][pick % Math.max(1, facts.size)];
  if (damage === "extra") {
    const stranger = fact("table", "public.stranger", "", "r");
    facts.set(factKey(stranger), stranger);
  }
  if (victim === undefined || damage === "extra") return;
  facts.delete(factKey(victim));
  const other = { ...victim, definition: "changed by hand" };
  if (damage === "change") facts.set(factKey(other), other);
}
