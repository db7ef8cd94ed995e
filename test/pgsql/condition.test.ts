import { expect, test } from "vitest";
import { conditionOf } from "../../src/pgsql/condition.ts";

test.each<[string, { table: string; where: string } | null]>([
  ["UPDATE t SET a = 1 WHERE b IS NULL", { table: "t", where: "b IS NULL" }],
  ["DELETE FROM app.t WHERE b < 3;", { table: "t", where: "b < 3" }],
  [
    `UPDATE "The t" SET a = (SELECT max(x) FROM u WHERE y) /* where */ WHERE "where" = 'where' -- where\n`,
    { table: "The t", where: `"where" = 'where'` },
  ],
  [
    "update only t set a = 'ü where' where b in ('ä', 'where') and (c or d) returning id, a",
    { table: "t", where: "b in ('ä', 'where') and (c or d)" },
  ],
  ["UPDATE t SET a = 1", null],
  ["UPDATE t SET a = 1 WHERE b = $1", null],
  ["UPDATE t SET a = 1 WHERE id IN (SELECT id FROM u)", null],
  ["UPDATE t SET a = 1 FROM u WHERE t.id = u.id", null],
  ["UPDATE t AS x SET a = 1 WHERE x.b", null],
  ["DELETE FROM t USING u WHERE t.id = u.id", null],
  ["DELETE FROM t WHERE CURRENT OF c", null],
  ["WITH w AS (SELECT 1) UPDATE t SET a = 1 WHERE b", null],
  ["UPDATE t SET a = 1 WHERE b; UPDATE t SET a = 2 WHERE c", null],
  ["SELECT change()", null],
  ["DO $$ BEGIN UPDATE t SET a = 1 WHERE b; END $$", null],
  ["UPDATE t SET", null],
  ["", null],
])("%s", async (statement, expected) => {
  expect(await conditionOf(statement)).toEqual(expected);
});
