import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";
import { bakeExample, environment, makeDatabase, preflight, type Shop } from "../support/shop.ts";

let shop: Pick<Shop, "server" | "python">;
beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment() };
});
afterAll(async () => {
  await shop?.server.stop();
});

/** The lines before the verdict line. */
async function tableOf(
  example: "shop" | "tickets",
  at: string | null,
  sql: readonly string[] = [],
): Promise<{ readonly table: readonly string[]; readonly exit: number; readonly log: string }> {
  const { image } = await bakeExample(example, shop.python, [], "cli");
  const whole: Shop = { ...shop, ledger: "", ledgers: { tickets: "", notes: "" } };
  const url = await makeDatabase(whole, { example, at, sql });
  const ran = await preflight("cli", ["status"], { cwd: image, env: environment(shop, url) });
  rmSync(image, { recursive: true });
  const lines = ran.stdout.trimEnd().split("\n");
  return { table: lines.slice(0, -1), exit: ran.exit, log: ran.stderr };
}

test("Alembic: rows are gone, and the schema proves where it stands", async () => {
  const { table, exit, log } = await tableOf("shop", "add_trade_id", [
    "DELETE FROM alembic_version",
  ]);
  expect(exit).toBe(0);
  expect(table).toEqual([
    "revision          title                                                       recorded  proven  pending",
    "create_customers  Customers and products                                                yes",
    "create_orders     Orders, with what was bought                                          yes",
    "add_trade_id      The payment provider's id of a transaction                            yes",
    "fill_names        Customers without a name get the part of their address …              yes",
    "add_order_status  Where an order stands                                                         yes",
    "index_placed_at   The newest orders first, without blocking the shop while …                    yes",
  ]);
  expect(log).toContain(
    "upgrade: 2 revisions: add_order_status (Where an order stands), index_placed_at (The newest orders first, without blocking the shop while …)",
  );
});

test("numbered files: what rows say without the schema, and a row without a file", async () => {
  const { table, exit } = await tableOf("tickets", "004", [
    "ALTER TABLE tickets DROP COLUMN status",
    "INSERT INTO preflight_migrations (version, name, checksum, run_id) VALUES ('000', 'old', '', '')",
  ]);
  expect(exit).toBe(20);
  expect(table).toEqual([
    "revision  title                    recorded  proven  pending",
    "000       (no file in this image)  yes",
    "001       create people            yes",
    "002       create tickets           yes",
    "003       fill names               yes",
    "004       add status               yes",
    "005       closed tickets                             yes",
    "006       index opened at                            yes",
  ]);
});
