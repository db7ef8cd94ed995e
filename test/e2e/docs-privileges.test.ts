import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withUrl } from "../support/databases.ts";
import { startServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";
import {
  bakeExample,
  environment,
  makeImage,
  preflight,
  readText,
  type Shop,
} from "../support/shop.ts";

let shop: Shop;
let image: string;
let url: string;

/** The document's blocks of SQL, by the comment in their first line. */
const blocks = new Map(
  [
    ...readText(path.join(import.meta.dirname, "../../docs/privileges.md")).matchAll(
      /```sql\n-- ([^\n]*)\n([^`]*)```/g,
    ),
  ].map(([, name = "", text = ""]) => [name, text]),
);

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  const python = await pythonEnvironment();
  shop = { server, python, ledger: (await bakeExample("shop", python)).ledger };
  image = makeImage(shop, { name: "", ledger: "baked" });
  url = await server.createDatabase("shop");
  // Up to PostgreSQL 14 everybody may; the document says so.
  await server.sql(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
});

afterAll(async () => {
  await shop?.server.stop();
});

async function paste(name: string): Promise<void> {
  const text = blocks.get(name);
  if (text === undefined)
    throw new Error(`no block ${name} among ${[...blocks.keys()].join(", ")}`);
  blocks.delete(name);
  await shop.server.sql(url, text);
}

async function as(user: string, ...args: readonly string[]) {
  const env = environment(shop, withUrl(url, { user }));
  return (await preflight("binary", args, { cwd: image, env })).line;
}

const current = { exit: 0, verdict: "current", ledger: "verified" };

it("the roles of docs/privileges.md, as they are pasted, can do what it says and no more", async () => {
  await paste("run");
  expect(await as("shop_owner", "check")).toMatchObject({ exit: 0, verdict: "fresh" });
  expect(await as("shop_owner", "run")).toMatchObject({ exit: 0, verdict: "fresh" });

  await paste("check");
  expect(await as("shop_check", "check")).toMatchObject(current);
  expect(await as("shop_check", "run")).toMatchObject(current);
  await paste("check, in advance");

  await paste("application");
  expect(await as("shop_app", "check", "--exit-code")).toMatchObject(current);

  await shop.server.sql(
    url,
    "UPDATE alembic_version SET version_num = 'add_order_status'; DROP INDEX orders_placed_at_idx",
  );
  expect(await as("shop_app", "check", "--exit-code")).toMatchObject({
    exit: 30,
    verdict: "behind",
  });
  expect(await as("shop_app", "run")).toMatchObject({ exit: 77, actions: [] });
  expect(await as("shop_check", "check", "--exit-code")).toMatchObject({ exit: 30 });

  await paste("set role");
  expect(await as("shop_deploy", "run")).toMatchObject({ exit: 0, verdict: "behind" });
  const [owner] = await shop.server.sql(
    url,
    "SELECT relowner::regrole::text AS name FROM pg_class WHERE relname = 'orders_placed_at_idx'",
  );
  expect(owner).toEqual({ name: "shop_owner" });

  await paste("row security");
  for (const user of ["shop_owner", "shop_deploy", "shop_check", "shop_app"])
    expect(await as(user, "check"), user).toMatchObject(current);
  expect([...blocks.keys()], "every block was tried").toEqual([]);
});
