import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, runProgram, startProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment, makeDatabase, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  const server = await startServer({ settings: ["max_connections = 14"] });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => {
  await shop?.server.stop();
});

test("an upgrade's child that finds the last session taken: temporary, and ready once there is room (fault 7)", async () => {
  const url = await makeDatabase(shop, { at: null });
  await shop.server.sql(url, "CREATE ROLE app LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO app");
  const asApp = new URL(url);
  asApp.username = "app";
  const cwd = writeHistory([{ id: "one", upgrade: execute("CREATE TABLE one (n int)") }]);
  const go = path.join(mkdtempSync(path.join(tmpdir(), "preflight-full-")), "go");
  const command = path.join(path.dirname(go), "upgrade.sh");
  writeFileSync(
    command,
    `echo at the door\nwhile [ ! -e ${go} ]; do sleep 0.05; done\nexec alembic upgrade heads\n`,
  );
  const place = {
    cwd,
    env: {
      ...environment(shop, asApp.href),
      PREFLIGHT_UPGRADE_COMMAND: `sh ${command}`,
    },
  };

  const run = startProgram("binary", ["run"], place);
  await run.says("at the door");
  const others = await takeEverySession(asApp.href);
  writeFileSync(go, "");
  const refused = expectLine(await run.ended);
  await Promise.all(others.map((one) => one.end({ timeout: 0 })));

  expect(refused).toMatchObject({ exit: 75, outcome: "temporary" });
  expect(refused.reason).toContain(
    "it had no connection, and the server has hardly a session left",
  );
  expect(expectLine(await runProgram("binary", ["run"], place))).toMatchObject({ exit: 0 });
});

/** Until the server has none left to give. */
async function takeEverySession(url: string): Promise<readonly postgres.Sql[]> {
  const taken: postgres.Sql[] = [];
  for (;;) {
    const one = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
    try {
      await one`SELECT`;
      taken.push(one);
    } catch (error) {
      await one.end({ timeout: 0 });
      expect(error).toMatchObject({ code: "53300" });
      return taken;
    }
  }
}
