import { expect, test } from "vitest";
import { nextFiles, nextTimed } from "../../../src/tools/numbered/template.ts";

const now = new Date("2026-03-04T05:06:07.890Z");

test.each([
  [[], "001_x.sql"],
  [["README.md"], "001_x.sql"],
  [["001_a.sql", "003_b.sql", "002_c.sql"], "004_x.sql"],
  [["9_a.sql", "10_b.sql"], "11_x.sql"],
  [["0099_a.sql"], "0100_x.sql"],
  [["999_a.sql"], "1000_x.sql"],
  [["010_a.sql", "020_b.sql"], "030_x.sql"],
  [["010_a.sql", "011_b.sql"], "012_x.sql"],
  [["01-a.sql"], "02-x.sql"],
  [["01.sql"], "02_x.sql"],
  [["20260101000000_a.sql"], "20260304050607_x.sql"],
  [["20260304050607_a.sql"], "20260304050608_x.sql"],
  [["20990101000000_a.sql"], "20990101000001_x.sql"],
  [["202601010000_a.sql"], "202603040506_x.sql"],
  [["20260304_a.sql"], "20260305_x.sql"],
  [["1706659200_a.sql"], "1706659201_x.sql"],
  [["001_a.up.sql"], "002_x.up.sql", "002_x.down.sql"],
  [["001_a.sql", "002_b.up.sql", "002_b.down.sql"], "003_x.up.sql", "003_x.down.sql"],
  [["001_a.up.sql", "001_a.down.sql", "002_b.sql"], "003_x.sql"],
  [["001_a.sql", "001_a.down.sql"], "002_x.sql", "002_x.down.sql"],
  [["1_a.sql", "10_a.down.sql"], "2_x.sql"],
  [["2026-01-01_a.sql"], "2026-03-04_x.sql"],
  [["2026-03-04_a.sql"], "2026-03-04-050607_x.sql"],
  [["2099-01-01_a.sql"], "2099-01-01-050607_x.sql"],
  [["2026-01-01-120000_a.sql"], "2026-03-04-050607_x.sql"],
  [["2026_01_01_120000_a.sql"], "2026_03_04_050607_x.sql"],
  [["2026-01-01T12-00-00-a.sql"], "2026-03-04T05-06-07-x.sql"],
  [["2026_03_04_050607_a.sql"], "2026_03_04_050608_x.sql"],
  [["2026-03-04-01_a.sql"], "2026-03-04-05_x.sql"],
  [["2026-03-04-06_a.sql"], "2026-03-04-07_x.sql"],
  [["2026-01-01-120000-0000_a.sql"], "2026-03-04-050607-0000_x.sql"],
  [["2026-03-04-050607-0000_a.sql"], "2026-03-04-050607-0001_x.sql"],
  [["001_a.sql", "2026-01-01_a.sql"], "2026-03-04_x.sql"],
  [["2026-01-01-120000_a.up.sql"], "2026-03-04-050607_x.up.sql", "2026-03-04-050607_x.down.sql"],
  [["2026-01-01_a.sql", "2026-01-01_a.down.sql"], "2026-03-04_x.sql", "2026-03-04_x.down.sql"],
] as const)("beside %j comes %s", (beside, ...expected) => {
  expect(nextFiles("x", beside, now).map(({ file }) => file)).toEqual(expected);
});

test.each([
  [[], "20260304050607_x.sql"],
  [["20260101000000_a.sql"], "20260304050607_x.sql"],
  [["20260304050607_a.sql"], "20260304050608_x.sql"],
  [["001_a.sql", "001_a.down.sql"], "20260304050607_x.sql"],
  [["2026_03_05_a.sql"], "20260305000001_x.sql"],
] as const)("beside Supabase's %j comes %s", (beside, file) => {
  expect(nextTimed("x", beside, now).map((next) => next.file)).toEqual([file]);
});

test("at midnight, on a day that is taken", () => {
  const midnight = new Date("2026-03-04T00:00:00Z");
  const [next] = nextFiles("x", ["2026-03-04_a.sql"], midnight);
  expect(next?.file).toBe("2026-03-04-000001_x.sql");
});

test("the header is there to be filled in", () => {
  const [up, down] = nextFiles("add_customer_email", ["1_a.up.sql"], now);
  expect(up?.text).toBe("-- Purpose: add customer email\n-- Breaking Changes:\n-- Rollback:\n\n");
  expect(down?.text).toBe("-- Undoes 2_add_customer_email.up.sql. Preflight never runs it.\n\n");
});
