import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, type Place, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment, makeDatabase, type Shop } from "../support/shop.ts";

let shop: Shop;
let disk: string;

/** A file system of 12 MB needs somebody who may mount one. */
const mayMount = process.getuid?.() === 0;

beforeAll(async () => {
  if (!mayMount) return;
  shop = {
    server: await startServer({ settings: [] }),
    python: await pythonEnvironment(),
    ledger: "",
  };
  disk = mkdtempSync(path.join(tmpdir(), "preflight-small-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk]);
  chmodSync(disk, 0o777);
  mkdirSync(path.join(disk, "tables"));
  const owner = execFileSync("stat", ["-c", "%U:%G", shop.server.socketDirectory ?? ""]).toString();
  execFileSync("chown", [owner.trim(), path.join(disk, "tables")]);
  await shop.server.sql(
    shop.server.url,
    `CREATE TABLESPACE small LOCATION '${path.join(disk, "tables")}'`,
  );
});

afterAll(async () => {
  await shop?.server.stop();
  if (disk !== undefined) execFileSync("umount", ["-l", disk]);
});

const fillDisk =
  "CREATE TABLE big TABLESPACE small AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 20000) n";
const before = "CREATE TABLE small_one (n int)";

function at(cwd: string, url: string): Place {
  return { cwd, env: environment(shop, url) };
}

function writeFiles(): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-disk-"));
  mkdirSync(path.join(cwd, "migrations"));
  writeFileSync(path.join(cwd, "migrations/1_one.sql"), `${before};\n`);
  writeFileSync(path.join(cwd, "migrations/2_big.sql"), `${fillDisk};\n`);
  return cwd;
}

describe.skipIf(!mayMount)("a disk that is full in the middle of a migration", () => {
  it.each([
    {
      how: "Alembic's",
      write: () =>
        writeHistory([
          { id: "one", upgrade: execute(before) },
          { id: "big", after: "one", upgrade: execute(fillDisk) },
        ]),
    },
    { how: "a numbered file", write: writeFiles },
  ])("$how: temporary, rolled back, and ready once there is room (fault 34)", async ({ write }) => {
    const url = await makeDatabase(shop, { at: null });
    const cwd = write();
    const other = await makeDatabase(shop, { at: null });
    await shop.server.sql(
      other,
      "CREATE TABLE hog TABLESPACE small AS SELECT repeat('y', 500) AS filler FROM generate_series(1, 10000)",
    );
    const full = await runProgram("binary", ["run"], at(cwd, url));
    expect(expectLine(full), full.stderr).toMatchObject({ exit: 75, outcome: "temporary" });
    expect(
      await shop.server.sql(url, "SELECT to_regclass('big')::text AS big"),
      "nothing of it stands",
    ).toEqual([{ big: null }]);
    await shop.server.sql(other, "DROP TABLE hog; CHECKPOINT");
    const again = await runProgram("binary", ["run"], at(cwd, url));
    expect(expectLine(again), again.stderr).toMatchObject({ exit: 0 });
    expect(await shop.server.sql(url, "SELECT count(*)::int AS n FROM big")).toEqual([
      { n: 20000 },
    ]);
    await shop.server.sql(url, "DROP TABLE big; CHECKPOINT");
  });
});
