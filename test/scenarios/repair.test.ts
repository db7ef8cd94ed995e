import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Place, placeAt } from "../support/place.ts";
import { startExamples } from "../support/play-scenario.ts";
import type { Example } from "../support/scenario.ts";
import type { Ran, Shop } from "../support/shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await startExamples("cli");
});
afterAll(async () => {
  await shop?.server.stop();
});

async function at(
  example: Example,
  revision: string | null,
  sql: readonly string[] = [],
): Promise<Place> {
  return await placeAt(shop, example, revision, sql);
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
    expect(printed.stdout).toMatch(
      /CREATE TABLE public\.transactions \(\s+"id" .*\s+"order_id" .*\s+"amount" .*\s+"trade_id" .*\s+"provider" /,
    );
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
    const undone = await play(["undo", "1"]);
    expect(undone.line).toMatchObject({
      exit: 78,
      reason: expect.stringContaining("entry 1 is a repair"),
    });
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

/** What the log says of a refusal. */
function causeOf({ stderr }: Ran): string | undefined {
  return [...stderr.matchAll(/"event":"refused","cause":"([^"]+)"/g)].at(-1)?.[1];
}

describe("what is left for a person", () => {
  it("what a data migration wrote to, unless it may come back empty; the rest is made", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      customers,
      "ALTER TABLE customers DROP COLUMN name",
      "DROP INDEX orders_status_idx",
    ]);
    const repaired = await play(["repair", "--apply"]);
    expect(repaired.line, repaired.stderr).toMatchObject({ exit: 20, outcome: "drift" });
    expect(repaired.line.reason).toContain("data migration fill_names");
    expect(await sql("SELECT to_regclass('orders_status_idx')::text AS index")).toEqual([
      { index: "orders_status_idx" },
    ]);
    const again = await play(["repair"]);
    expect(causeOf(again)).toBe("repair-left");
    const accepted = await play(["repair", "--apply", "--accept-empty", "customers.name"]);
    expect(accepted.line, accepted.stderr).toMatchObject({ exit: 0 });
    expect(await sql("SELECT count(*)::int AS n FROM customers WHERE name IS NULL")).toEqual([
      { n: 5 },
    ]);
  });

  it("a NOT NULL column without default where there are rows, and the key that stands on it", async () => {
    const lost = ["ALTER TABLE orders DROP COLUMN customer_id"];
    const empty = await at("shop", headOfShop, lost);
    expect((await empty.play(["repair", "--apply"])).line).toMatchObject({ exit: 0 });
    const { play, sql } = await at("shop", headOfShop, [customers, orders, ...lost]);
    const printed = await play(["repair"]);
    expect(printed.line).toMatchObject({ exit: 20, outcome: "drift", actions: [] });
    expect(printed.line.reason).toContain("NOT NULL without a default, and the table has rows");
    expect(printed.line.reason).toContain("needs column orders.customer_id, which is left");
    await sql(
      "ALTER TABLE orders ADD customer_id bigint; UPDATE orders SET customer_id = 1; ALTER TABLE orders ALTER customer_id SET NOT NULL",
    );
    expect((await play(["repair", "--apply"])).line).toMatchObject({ exit: 0 });
  });

  it("a foreign key whose rows point to a table that comes back empty", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      customers,
      orders,
      "INSERT INTO transactions (order_id, amount) SELECT id, 1 FROM orders",
      "DROP TABLE orders CASCADE",
    ]);
    const repaired = await play(["repair", "--apply"]);
    expect(repaired.line, repaired.stderr).toMatchObject({ exit: 20 });
    expect(repaired.line.reason).toContain("which comes back empty: bring its rows back first");
    await sql("INSERT INTO orders (id, customer_id) SELECT order_id, 1 FROM transactions");
    expect((await play(["repair", "--apply"])).line).toMatchObject({ exit: 0 });
    expect(await sql("SELECT count(*)::int AS n FROM transactions")).toEqual([{ n: 5 }]);
  });

  it("what would have to be dropped, replaced or narrowed", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      "ALTER TABLE orders ADD CONSTRAINT mine CHECK (id > 0)",
      "ALTER TABLE products ALTER price TYPE numeric(20, 4)",
      "ALTER TABLE customers ALTER email DROP NOT NULL",
      "DROP TABLE transactions",
    ]);
    const repaired = await play(["repair", "--apply"]);
    expect(repaired.line, repaired.stderr).toMatchObject({ exit: 20 });
    for (const each of [
      "constraint mine on orders",
      "column products.price",
      "column customers.email",
    ])
      expect(repaired.line.reason).toContain(each);
    expect(await sql("SELECT to_regclass('transactions')::text AS t")).toEqual([
      { t: "transactions" },
    ]);
    expect(await sql("SELECT FROM pg_constraint WHERE conname = 'mine'")).toHaveLength(1);
  });
});

describe("what is refused", () => {
  const lost = ["DROP TABLE transactions"];

  it("a revision that no file has: 78", async () => {
    const { play } = await at("shop", headOfShop, lost);
    const refused = await play(["repair", "--to", "nowhere"]);
    expect(refused.line).toMatchObject({ exit: 78, outcome: "config" });
    expect(refused.line.reason).toContain("no migration file has the revision nowhere");
  });

  it("no ledger: 66, with the reason", async () => {
    const { play, image } = await at("shop", headOfShop, lost);
    rmSync(path.join(image, "preflight.ledger.json"));
    for (const words of [["repair"], ["repair", "--to", headOfShop, "--apply"]])
      expect((await play(words)).line).toMatchObject({
        exit: 66,
        reason: expect.stringContaining("there is no ledger"),
      });
  });

  it("rows that promise nothing, or what this image does not know: 21, unless somebody says it", async () => {
    const none = await at("shop", headOfShop, [...lost, "DELETE FROM alembic_version"]);
    expect(causeOf(await none.play(["repair"]))).toBe("repair-without-rows");
    const repaired = await none.play(["repair", "--to", headOfShop, "--apply"]);
    expect(repaired.line, repaired.stderr).toMatchObject({ exit: 0, recordedAfter: [] });
    expect(repaired.stderr).toContain(`the next run would stamp ${headOfShop}`);
    const newer = await at("shop", headOfShop, [
      ...lost,
      "UPDATE alembic_version SET version_num = 'newer'",
    ]);
    expect(causeOf(await newer.play(["repair"]))).toBe("repair-unknown-rows");
  });

  it("a schema that is exactly a later revision's", async () => {
    const { play } = await at("shop", headOfShop, [
      "UPDATE alembic_version SET version_num = 'create_orders'",
    ]);
    const refused = await play(["repair", "--apply"]);
    expect(refused.line).toMatchObject({ exit: 21, actions: [] });
    expect(causeOf(refused)).toBe("repair-of-later");
  });

  it("a role that may not make what is missing: 77 before the first statement, by the object", async () => {
    const { url, play, sql } = await at("shop", headOfShop, [
      "DO 'BEGIN CREATE ROLE repair_less LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END'",
      "GRANT USAGE ON SCHEMA public TO repair_less",
      "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
      "GRANT ALL ON ALL TABLES IN SCHEMA public TO repair_less",
      ...lost,
      "ALTER TABLE orders DROP COLUMN status",
    ]);
    const limited = new URL(url);
    limited.username = "repair_less";
    const printed = await play(["repair"], { DATABASE_URL: limited.href });
    expect(printed.line, printed.stderr).toMatchObject({ exit: 0 });
    const refused = await play(["repair", "--apply"], { DATABASE_URL: limited.href });
    expect(refused.line).toMatchObject({ exit: 77, outcome: "permission", actions: [] });
    expect(refused.line.reason).toContain("does not own public.orders");
    expect(refused.line.reason).toContain("may not create anything in schema public");
    expect(await sql("SELECT to_regclass('transactions')::text AS t")).toEqual([{ t: null }]);
  });

  it("a statement that fails: 25, and what stands", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      "ALTER TABLE customers DROP CONSTRAINT customers_email_key",
      "INSERT INTO customers (email, name) VALUES ('a', 'a'), ('a', 'a')",
      ...lost,
    ]);
    const failed = await play(["repair", "--apply"]);
    expect(failed.line, failed.stderr).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(failed.line.reason).toMatch(/customers_email_key.*23505.*statements stand before it/);
    expect(failed.line.next[0]).toContain("INVALID");
    const entries = await sql("SELECT kind, state FROM preflight.journal");
    expect(entries).toEqual([{ kind: "repair", state: "failed" }]);
    await sql("DELETE FROM customers WHERE ctid = (SELECT max(ctid) FROM customers)");
    await sql("DROP INDEX customers_email_key");
    expect((await play(["repair", "--apply"])).line).toMatchObject({ exit: 0 });
  });

  it("a database that undoes what was made: 26", async () => {
    const { play } = await at("shop", headOfShop, [
      "ALTER TABLE orders ALTER status DROP DEFAULT",
      `CREATE FUNCTION undo() RETURNS event_trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF current_setting('undo.inside', true) = 'on' THEN RETURN; END IF;
         PERFORM set_config('undo.inside', 'on', true);
         ALTER TABLE public.orders ALTER status DROP DEFAULT;
       END $$`,
      "CREATE EVENT TRIGGER undoes ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION undo()",
    ]);
    const failed = await play(["repair", "--apply"]);
    expect(failed.line, failed.stderr).toMatchObject({ exit: 26, outcome: "verify-failed" });
    expect(failed.line.reason).toContain("column orders.status");
  });
});

describe("two at the same time", () => {
  it("one repairs, and the other one finds nothing to do", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      "DROP TABLE transactions",
      "DROP INDEX orders_status_idx",
    ]);
    const both = await Promise.all([play(["repair", "--apply"]), play(["repair", "--apply"])]);
    expect(both.map(({ exit }) => exit)).toEqual([0, 0]);
    expect(await sql("SELECT FROM preflight.journal WHERE kind = 'repair'")).toHaveLength(1);
  });
});

describe("another home than the ledger's", () => {
  it("is repaired in its own words", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      "CREATE SCHEMA app",
      "ALTER TABLE customers SET SCHEMA app",
      "ALTER TABLE products SET SCHEMA app",
      "ALTER TABLE orders SET SCHEMA app",
      "ALTER TABLE transactions SET SCHEMA app",
      "ALTER TABLE alembic_version SET SCHEMA app",
      "ALTER TYPE order_status SET SCHEMA app",
      "DROP TABLE app.transactions",
      "ALTER TABLE app.orders DROP COLUMN status",
    ]);
    const repaired = await play(["repair", "--apply", "--schema", "app"]);
    expect(repaired.line, repaired.stderr).toMatchObject({ exit: 0 });
    expect(await sql("SELECT to_regclass('app.transactions')::text AS t")).toEqual([
      { t: "app.transactions" },
    ]);
    expect((await play(["check", "--schema", "app"])).line).toMatchObject({ exit: 0 });
  });
});

describe("besides", () => {
  it("finishes a migration that stopped half-way, where somebody names it", async () => {
    const { play } = await at("shop", "fill_names", [
      "CREATE TYPE order_status AS ENUM ('new', 'paid', 'sent')",
    ]);
    expect((await play(["repair"])).line).toMatchObject({ exit: 23, verdict: "partial" });
    const repaired = await play(["repair", "--to", "add_order_status", "--apply"]);
    expect(repaired.line, repaired.stderr).toMatchObject({
      exit: 0,
      recordedAfter: ["fill_names"],
    });
    expect((await play(["run"])).line).toMatchObject({ exit: 0, recordedAfter: [headOfShop] });
  });

  it("says of which kinds an old ledger knows nothing", async () => {
    const { play, image } = await at("shop", headOfShop, ["DROP TABLE transactions"]);
    const file = path.join(image, "preflight.ledger.json");
    const ledger = JSON.parse(readFileSync(file, "utf8")) as { kinds: string[] };
    ledger.kinds = ledger.kinds.filter((kind) => kind !== "statistics" && kind !== "policy");
    writeFileSync(file, JSON.stringify(ledger));
    const printed = await play(["repair"]);
    expect(printed.line, printed.stderr).toMatchObject({ exit: 0 });
    expect(printed.stdout).toContain("an earlier version: policy; statistics");
    expect(printed.stderr).toContain("says nothing of these kinds");
  });

  it("row security, policies, a trigger and what was granted come back", async () => {
    const { play, sql } = await at("notes", "20260310120000", [
      "DROP TABLE public.notes",
      "DROP TRIGGER on_sign_up ON auth.users",
      "DROP FUNCTION public.make_profile()",
    ]);
    const repaired = await play(["repair", "--apply"]);
    expect(repaired.line, repaired.stderr).toMatchObject({ exit: 0 });
    const [may] = await sql(
      "SELECT has_table_privilege('authenticated', 'public.notes', 'INSERT') AS may, relrowsecurity AS rls FROM pg_class WHERE oid = 'public.notes'::regclass",
    );
    expect(may).toEqual({ may: true, rls: true });
    expect((await play(["check"])).line).toMatchObject({ exit: 0, verdict: "current" });
  });
});
