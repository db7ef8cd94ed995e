import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { recordsEveryRevision, rowsFor } from "../../src/core/claim.ts";
import { diagnose } from "../../src/core/diagnose.ts";
import { type Fact, factKey } from "../../src/core/facts.ts";
import { ancestors, maximal } from "../../src/core/history.ts";
import { combine } from "../../src/core/knowledge.ts";
import type { MigrationTool } from "../../src/core/migration-tool.ts";
import { planFor } from "../../src/core/plan.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";
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
  policy,
} from "./model.ts";

/** Branches and merges, and a row for each revision. */
const branched: MigrationTool = {
  ...alembic,
  name: "branched",
  versionTable: { ...alembic.versionTable, rows: "each" },
};

describe.each([alembic, branched])("for any history of $name and any database", (tool) => {
  const often = { numRuns: tool === alembic ? 2_000 : 1_000 };

  it("always answers, even where ledger, files and database have nothing in common", () => {
    fc.assert(
      fc.property(
        anyRevisions,
        anyRevisions,
        anyRevisions,
        fc.array(fc.string()),
        (files, baked, applied, rows) => {
          const history = historyOf(files.map(renamed), tool);
          const { ledger } = knowledgeOf(baked, tool);
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
      fc.property(anyDamagedDatabase(tool), ({ revisions, database }) => {
        let state: ModelDatabase = database;
        for (let round = 1; round <= 3; round++) {
          const { plan, verdict } = decide(tool, revisions, state);
          if (plan.kind !== "act") {
            if (round > 1)
              expect([verdict.kind, plan.kind]).toEqual([
                expect.stringMatching(/^(current|drifted)$/),
                "start",
              ]);
            return;
          }
          const after = carryOut(revisions, state, plan.steps, tool);
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
      fc.property(anyLyingDatabase(tool), ({ revisions, database }) => {
        const { plan } = decide(tool, revisions, database);
        // Rows that lie about a revision without a trace are believed; only stamps are our own word.
        if (plan.kind !== "act" || !plan.steps.some(({ kind }) => kind === "stamp")) return;
        const after = carryOut(revisions, database, plan.steps, tool);
        const wanted = revisions.filter(({ data }) => data !== "none").map(({ id }) => [id, 1]);
        expect(Object.fromEntries(after?.ran ?? [])).toEqual(Object.fromEntries(wanted));
      }),
      often,
    );
  });

  it("proves a state only if the schema is what that state's revisions make", () => {
    fc.assert(
      fc.property(anyDamagedDatabase(tool), ({ revisions, database }) => {
        const { plan } = decide(tool, revisions, database);
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

function decide(tool: MigrationTool, revisions: readonly ModelRevision[], database: ModelDatabase) {
  const knowledge = knowledgeOf(revisions, tool);
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
 * may have been made by create_all() or from a dump: then some of the data migrations never ran. Where each revision has a row,
 * some may be missing.
 */
function anyLyingDatabase(tool: MigrationTool) {
  const lost = recordsEveryRevision(tool) ? fc.array(fc.nat(8), { maxLength: 2 }) : fc.constant([]);
  return fc
    .tuple(
      anyRevisions,
      fc.array(fc.nat(), { maxLength: 2 }),
      rowsOrNone(),
      fc.array(fc.nat(8)),
      lost,
    )
    .map(([revisions, truth, claim, skipped, holes]) => {
      const claimed = claim === null ? [] : somePart(revisions, claim);
      const isHole = new Set(holes.map((index) => `r${index}`));
      const rows = rowsFor(historyOf(revisions, tool), claimed, []).filter((id) => !isHole.has(id));
      const database = databaseAt(revisions, somePart(revisions, truth), rows);
      const neverRan = rows.length > 0 ? [] : skipped.map((index) => `r${index}`);
      const ran = new Map([...database.ran].filter(([id]) => !neverRan.includes(id)));
      return { revisions, database: { ...database, ran } };
    });
}

/** Facts taken away, changed and added by hand. */
function anyDamagedDatabase(tool: MigrationTool) {
  return fc
    .tuple(
      anyLyingDatabase(tool),
      fc.array(fc.tuple(fc.constantFrom("lose", "change", "extra"), fc.nat()), { maxLength: 2 }),
    )
    .map(([{ revisions, database }, damages]) => {
      const facts = new Map(database.facts);
      for (const [damage, pick] of damages) hurt(facts, damage, pick);
      return { revisions, database: { ...database, facts } };
    });
}

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
