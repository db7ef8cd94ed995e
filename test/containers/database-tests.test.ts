import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { ensureImages, root } from "./support/engine.ts";

/** Of the database tests, those that ask most of a server: a pg_hba.conf and certificates of their own. */
const files = ["test/database/connect.test.ts", "test/database/look.test.ts"];

it("the database tests take a server of the image that is deployed: PREFLIGHT_TEST_IMAGE", async () => {
  await ensureImages(["postgres:18"]);
  const words = ["vitest", "run", "--project", "database", ...files];
  const env = { ...process.env, PREFLIGHT_TEST_IMAGE: "postgres:18", NO_COLOR: "1" };
  const ran = spawnSync("npx", words, { cwd: root, env, encoding: "utf8" });
  expect(ran.status, ran.stdout).toBe(0);
  expect(ran.stdout).toMatch(/Tests\s+[1-9]\d* passed/);
});
