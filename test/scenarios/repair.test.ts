import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VerdictLine } from "../../src/report/verdict-schema.ts";
import { startExamples } from "../support/play-scenario.ts";
import type { Example } from "../support/scenario.ts";
import {
  environment,
  makeDatabase,
  makeImage,
  preflight,
  type Ran,
  type Shop,
} from "../support/shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await startExamples("cli");
});
afterAll(async () => {
  await shop?.server.stop();
});

type Place = {
  readonly url: string;
  readonly play: (
    words: readonly string[],
    more?: Readonly<Record<string, string>>,
  ) => Promise<Ran>;
  readonly sql: (text: string) => Promise<readonly Record<string, unknown>[]>;
};

async function at(
  example: Example,
  revision: string | null,
  sql: readonly string[] = [],
): Promise<Place> {
  const url = await makeDatabase(shop, { example, at: revision, sql });
  const image = makeImage(shop, { name: "", example });
  return {
    url,
    play: async (words, more = {}) =>
      await preflight("cli", words, { cwd: image, env: { ...environment(shop, url), ...more } }),
    sql: async (text) => await shop.server.sql(url, text),
  };
}

const headOfShop = "index_placed_at";

const customers =
  "INSERT INTO customers (email, name) SELECT 'c' || n || '@example.com', 'c' || n FROM generate_series(1, 5) n";
const orders = "INSERT INTO orders (customer_id, placed_at) SELECT id, now() FROM customers";

describe("the classic case", () => {
  const lost = [
    customers,
    orders,
    "INSERT INTO transactions (order_id, amount) SELECT id, 1 FROM orders",
    "DROP TABLE transactions",
    "ALTER TABLE orders DROP COLUMN status",
    "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey",
    "DROP INDEX orders_placed_at_idx",
  ];

  it("a missing table, a missing column, a missing foreign key: printed, run by hand, and nothing is left", async () => {
    const { play, sql } = await at("shop", headOfShop, lost);
    expect((await play(["check"])).exit).toBe(20);
    const printed = await play(["repair"]);
    expect(printed.line, printed.stderr).toMatchObject({
      exit: 0,
      actions: [{ kind: "repair", to: [headOfShop], left: 0 }],
    });
    console.log(printed.stdout);
    expect((await play(["check"])).exit).toBe(20);
    for (const statement of statementsOf(printed.stdout)) await sql(statement);
    expect((await play(["check"])).line).toMatchObject({ exit: 0, verdict: "current" });
  });

  it("applied: proved, journaled, and every row is still there", async () => {
    const { play, sql } = await at("shop", headOfShop, lost);
    const repaired = await play(["repair", "--apply"]);
    expect(repaired.line, repaired.stderr).toMatchObject({ exit: 0, outcome: "ready" });
    expect(repaired.stderr).toContain("done and proved: nothing is missing any more");
    expect(repaired.stderr).toContain("the next run would start the application");
    expect((await play(["check"])).line).toMatchObject({ exit: 0, verdict: "current" });
    expect(await sql("SELECT count(*)::int AS n, min(status::text) AS s FROM orders")).toEqual([
      { n: 5, s: "new" },
    ]);
    const [entry] = await sql(
      "SELECT kind, state, evidence->'what' AS what FROM preflight.journal",
    );
    expect(entry).toMatchObject({ kind: "repair", state: "done" });
    expect((await play(["history"])).stdout).toContain("repair");
    const again = await play(["repair", "--apply"]);
    expect(again.line).toMatchObject({ exit: 0, actions: [] });
    expect(again.stderr).toContain("nothing was written: nothing is missing");
  });
});

/** As psql would send them: what a transaction holds together. */
function statementsOf(script: string): readonly string[] {
  const lines = script.split("\n").filter((line) => !line.startsWith("--"));
  const text = lines.join("\n");
  return text
    .split(/(BEGIN;[\s\S]*?COMMIT;)/)
    .flatMap((part) =>
      part.startsWith("BEGIN;") ? [part] : part.split(/;\n/).filter((each) => each.trim() !== ""),
    );
}

export type { VerdictLine };
