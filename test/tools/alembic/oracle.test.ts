import { rm } from "node:fs/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ancestors } from "../../../src/core/history.ts";
import { findHistory } from "../../../src/tools/registry.ts";
import { histories, type MeantHistory, writeScripts } from "../history-files.ts";
import { type Answer, type Oracle, startOracle } from "./oracle.ts";

let oracle: Oracle;
beforeAll(async () => {
  oracle = await startOracle();
}, 180_000);
afterAll(() => oracle.stop());

test("agrees with Alembic on random histories", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(histories(), async (meant) => {
      const directory = await writeScripts(meant.files);
      try {
        const alembic = await oracle.ask(directory);
        const where = { cwd: directory, env: {}, migrations: ".", tool: null };
        const found = await (await findHistory(where)).read(new Map());
        if (found.graph.kind === "sound") {
          const { history } = found.graph;
          expect(faultsMeant(meant)).toEqual(new Set());
          expect(alembic).toEqual({
            heads: history.heads,
            bases: history.bases,
            ancestors: Object.fromEntries(
              [...history.revisions.keys()].map((id) => [
                id,
                [...ancestors(history, [id])].sort(byPython),
              ]),
            ),
          });
        } else {
          const kinds = new Set(found.graph.faults.map(({ kind }) => kind));
          expectFaults(kinds, meant);
          expectAgreement(kinds, alembic, meant);
        }
      } finally {
        await rm(directory, { recursive: true });
      }
    }),
    { numRuns: Number(process.env["HISTORIES"] ?? 300) },
  );
});

/** Python sorts by code points; these ids are in the basic plane, where UTF-16 units sort alike. */
function byPython(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** What is wrong with a history, by definition and by brute force. */
function faultsMeant({ revisions, unreadable }: MeantHistory): Set<string> {
  const faults = new Set<string>();
  if (unreadable !== null) faults.add("unreadable");
  const known = new Set(revisions.map(({ id }) => id));
  const labels = revisions.flatMap((revision) => revision.labels);
  if (known.size < revisions.length) faults.add("duplicate-id");
  if (new Set([...known, ...labels]).size < known.size + labels.length)
    faults.add("duplicate-label");
  if (revisions.some(({ id }) => /[-+@:]/.test(id))) faults.add("illegal-id");
  if (revisions.some(({ parents }) => parents.some((parent) => !known.has(parent))))
    faults.add("missing-parent");
  const names = new Set([...known, ...labels]);
  if (revisions.some(({ dependsOn }) => dependsOn.some((name) => !names.has(name))))
    faults.add("missing-dependency");
  const reach = new Map(
    revisions.map(({ id, parents, dependsOn }) => {
      const named = dependsOn.map(
        (name) =>
          (known.has(name) ? name : revisions.find((other) => other.labels.includes(name))?.id) ??
          name,
      );
      return [id, new Set([...parents, ...named])] as const;
    }),
  );
  for (const via of reach.keys())
    for (const below of reach.values())
      if (below.has(via)) for (const id of reach.get(via) ?? []) below.add(id);
  if ([...reach].some(([id, below]) => below.has(id))) faults.add("cycle");
  return faults;
}

/**
 * Exactly the faults meant. Two exceptions: beside a file that cannot be read nothing is said of missing revisions, and what
 * that file itself meant is unknown; of two files with one id, only one is followed.
 */
function expectFaults(kinds: ReadonlySet<string>, meant: MeantHistory): void {
  const expected = faultsMeant(meant);
  if (meant.unreadable !== null) expect(kinds).toContain("unreadable");
  else if (expected.has("duplicate-id")) expect(kinds).toContain("duplicate-id");
  else expect(kinds).toEqual(expected);
}

/**
 * Policy, where Preflight says more than Alembic: Alembic only warns of duplicate ids and takes the last file; it misses
 * some cycles and hangs on others; it runs the files, so a computed value is no fault for it.
 */
function expectAgreement(kinds: ReadonlySet<string>, alembic: Answer, meant: MeantHistory): void {
  // Alembic stops at the first fault, which may be another one; alembic-files.test.ts has each of these alone.
  if (meant.unreadable === "refused") expect(alembic).toHaveProperty("fault");
  if (meant.unreadable !== null || kinds.has("duplicate-id")) return;
  if ("fault" in alembic) {
    const same: Record<string, readonly string[]> = {
      hangs: ["cycle"],
      missing: ["missing-parent", "missing-dependency"],
    };
    expect([...kinds]).toEqual(
      expect.arrayContaining([expect.toBeOneOf([...(same[alembic.fault] ?? [alembic.fault])])]),
    );
  } else expect(kinds).toEqual(new Set(["cycle"]));
}
