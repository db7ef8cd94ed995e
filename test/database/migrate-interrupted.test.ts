import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Migration } from "../../src/core/migration.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { applyFile, fileOf, open } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server?.stop());

/** What a statement leaves behind; null: nothing that can be seen. */
type Step = { readonly text: string; readonly leaves: string | null };

const kinds: Readonly<Record<string, (n: number) => Step>> = {
  table: (n) => ({ text: `CREATE TABLE t${n} (id int)`, leaves: `t${n}` }),
  view: (n) => ({ text: `CREATE VIEW v${n} AS SELECT id FROM base`, leaves: `v${n}` }),
  column: (n) => ({ text: `ALTER TABLE base ADD COLUMN c${n} int`, leaves: `c${n}` }),
  row: (n) => ({ text: `INSERT INTO log VALUES ('r${n}')`, leaves: `r${n}` }),
  pause: () => ({ text: "SELECT pg_sleep(0.005)", leaves: null }),
  path: () => ({ text: "SET search_path = shop", leaves: null }),
};
const aloneKinds: typeof kinds = {
  index: (n) => ({ text: `CREATE INDEX CONCURRENTLY i${n} ON base (id)`, leaves: `i${n}` }),
  vacuum: () => ({ text: "VACUUM base", leaves: null }),
};

function anySteps(from: typeof kinds): fc.Arbitrary<readonly Step[]> {
  return fc
    .array(fc.constantFrom(...Object.keys(from)), { minLength: 1, maxLength: 7 })
    .map((names) => [
      ...[`SET search_path = shop`].map((text) => ({ text, leaves: null })),
      ...names.map((name, n) => from[name]!(n)),
    ]);
}

/** When, counted from the start of one of the statements, and how. */
const anyEnd = fc.record({
  at: fc.nat({ max: 7 }),
  afterMs: fc.constantFrom(0, 1, 2, 4, 8),
  how: fc.constantFrom("terminate", "stop"),
});

async function database(): Promise<string> {
  const url = await server.createDatabase();
  await server.sql(
    url,
    "CREATE SCHEMA shop; CREATE TABLE shop.base (id int); CREATE TABLE shop.log (said text); INSERT INTO shop.base SELECT generate_series(1, 500)",
  );
  return url;
}

async function found(url: string): Promise<readonly string[]> {
  const rows = await server.sql(
    url,
    `SELECT c.relname || CASE WHEN i.indisvalid IS FALSE THEN ' (INVALID)' ELSE '' END AS name
     FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
     WHERE c.relnamespace = 'shop'::regnamespace AND c.relname ~ '^[tvi][0-9]'
     UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = 'shop.base'::regclass AND attname ~ '^c[0-9]'
     UNION ALL SELECT said FROM shop.log`,
  );
  return rows.map(({ name }) => String(name)).toSorted();
}

function left(steps: readonly Step[]): readonly string[] {
  return steps.flatMap(({ leaves }) => leaves ?? []).toSorted();
}

/** Applies a file whose session or run is ended in its middle, or a little too late. */
async function applyInterrupted(
  url: string,
  file: Migration,
  { at, afterMs, how }: { at: number; afterMs: number; how: string },
): Promise<void> {
  const killer = await open(url, { applicationName: "killer" });
  const stop = new AbortController();
  let ended: Promise<unknown> = Promise.resolve();
  const end = async (): Promise<void> => {
    await new Promise((resolve) => {
      setTimeout(resolve, afterMs);
    });
    if (how === "stop") stop.abort();
    else
      await killer.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'preflight/test' AND datname = current_database()",
      );
  };
  await applyFile(server, url, file, {
    signal: stop.signal,
    onStatement: (index) => {
      if (index === at) ended = end();
    },
  }).catch((error: unknown) => expect(error).toMatchObject({ outcome: "temporary" }));
  await ended;
  await killer.close();
}

async function isRecorded(url: string): Promise<boolean> {
  return (await server.sql(url, "SELECT FROM public.preflight_migrations")).length === 1;
}

test("in one transaction: all or nothing, and the next run completes it", async () => {
  let halves = 0;
  await fc.assert(
    fc.asyncProperty(anySteps(kinds), anyEnd, async (steps, when) => {
      const url = await database();
      const file = fileOf(steps.map(({ text }) => text));
      await applyInterrupted(url, file, when);
      const recorded = await isRecorded(url);
      expect(await found(url)).toEqual(recorded ? left(steps) : []);
      if (recorded) return;
      halves += 1;
      expect(await applyFile(server, url, file)).toMatchObject({ kind: "applied" });
      expect(await found(url)).toEqual(left(steps));
    }),
    { numRuns: 40 },
  );
  expect(halves).toBeGreaterThan(0);
});

test("statement by statement: the row tells the truth, and going on completes it", async () => {
  let halves = 0;
  await fc.assert(
    fc.asyncProperty(anySteps({ ...kinds, ...aloneKinds }), anyEnd, async (steps, when) => {
      const url = await database();
      const file = fileOf(
        steps.map(({ text }) => text),
        { outside: { line: 1, why: "so that it is tested" } },
      );
      await applyInterrupted(url, file, when);
      if (await isRecorded(url)) {
        expect(await found(url)).toEqual(left(steps));
        return;
      }
      const [row] = await server.sql(url, "SELECT done, state FROM public.preflight_progress");
      const done = Number(row?.["done"] ?? 0);
      if (done > 0) halves += 1;
      const next = steps[done]!;
      const isInDoubt = row !== undefined && row["state"] !== "pending";
      expect(file.statements[done]!.isAlone || !isInDoubt).toBe(true);
      const doubtful = isInDoubt && next.leaves !== null ? next.leaves : null;
      const certain = (await found(url)).filter(
        (name) => doubtful === null || !name.startsWith(doubtful),
      );
      expect(certain).toEqual(left(steps.slice(0, done)));

      if (doubtful !== null) await server.sql(url, `DROP INDEX IF EXISTS shop.${doubtful}`);
      expect(await applyFile(server, url, file, { resumeAt: done })).toMatchObject({
        kind: "applied",
      });
      expect(await found(url)).toEqual(left(steps));
      expect(await server.sql(url, "SELECT FROM public.preflight_progress")).toEqual([]);
    }),
    { numRuns: 60 },
  );
  expect(halves).toBeGreaterThan(0);
});

test("a statement that no cancel reaches is left after a while: temporary, and nothing stands", async () => {
  const url = await database();
  const stop = new AbortController();
  const file = fileOf(["CREATE TABLE shop.t1 (id int)", "SELECT pg_sleep(30)"]);
  const applying = applyFile(server, url, file, {
    signal: stop.signal,
    cancel: async () => {},
    onStatement: (index) => {
      if (index === 1) setTimeout(() => stop.abort(), 200);
    },
  });
  await expect(applying).rejects.toMatchObject({ outcome: "temporary" });
  expect(await found(url)).toEqual([]);
  expect(await isRecorded(url)).toBe(false);
});
