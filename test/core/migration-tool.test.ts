import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byNumber, byText, numberOf } from "../../src/core/migration-tool.ts";

const digits = fc.stringMatching(/^\d{1,17}$/);
const marks = fc.constantFrom("-", "_", ".");

/** A moment, as exactly as it is written, in one of the spellings. */
const dates = fc
  .record({
    time: fc.date({
      min: new Date("1900-01-01"),
      max: new Date("2099-12-31T23:59:59Z"),
      noInvalidDate: true,
    }),
    mark: marks,
    before: fc.constantFrom("-", "_", ".", "T"),
    within: fc.constantFrom("", "-", "_", ".", ":"),
    parts: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ time, mark, before, within, parts }) => {
    const [, date = "", clock = ""] = /^(.*)T(.*)\./.exec(time.toISOString()) ?? [];
    const said = clock.split(":").slice(0, parts);
    const rest = said.length === 0 ? "" : `${before}${said.join(within)}`;
    const full = [...said, "00", "00", "00"].slice(0, 3).join(":");
    return {
      version: `${date.replaceAll("-", mark)}${rest}`,
      moment: Date.parse(`${date}T${full}Z`),
    };
  });

const any = fc.oneof(
  digits,
  dates.map(({ version }) => version),
  fc.constantFrom("", "x", "2024", "2024-01", "2024-1-1", "2024-13-01", "2024-01_01", "20240131"),
  fc.string({ maxLength: 4 }),
);

/** As it was when numbers were digits and nothing else. */
function asBefore(one: string, other: string): number {
  const [a, b] = [BigInt(one), BigInt(other)];
  return a === b ? byText(one, other) : a < b ? -1 : 1;
}

describe("the order of numbered files", () => {
  it("is that of the numbers, as it always was, for digits", () => {
    fc.assert(
      fc.property(digits, digits, (a, b) => {
        expect(byNumber(a, b)).toBe(asBefore(a, b));
      }),
      { numRuns: 2_000 },
    );
  });

  it("is that of time for dates, however they are spelled", () => {
    fc.assert(
      fc.property(dates, dates, (a, b) => {
        const order = Math.sign(byNumber(a.version, b.version));
        if (a.moment !== b.moment) expect(order).toBe(Math.sign(a.moment - b.moment));
        else expect(numberOf(a.version)).toBe(numberOf(b.version));
      }),
      { numRuns: 2_000 },
    );
  });

  it("is total", () => {
    fc.assert(
      fc.property(any, any, any, (a, b, c) => {
        expect(byNumber(a, b) + byNumber(b, a)).toBe(0);
        expect(byNumber(a, b) === 0).toBe(a === b);
        if (byNumber(a, b) < 0 && byNumber(b, c) < 0) expect(byNumber(a, c)).toBeLessThan(0);
      }),
      { numRuns: 5_000 },
    );
  });

  it("does not depend on the order in which they are found", () => {
    fc.assert(
      fc.property(fc.array(any), (all) => {
        expect(all.toReversed().toSorted(byNumber)).toEqual(all.toSorted(byNumber));
      }),
    );
  });

  it("a date is the number of its fourteen digits, among plain ones", () => {
    const inOrder = ["001", "2024", "20240601", "2024-01-31", "20240131000001", "2024_02_01"];
    expect(inOrder.toReversed().toSorted(byNumber)).toEqual(inOrder);
    expect(numberOf("2024-01-31")).toBe(numberOf("20240131000000"));
    expect(numberOf("2024-01-31T12:00:00Z")).toBe(numberOf("20240131120000"));
  });

  it("a counter comes after the bare second, before the next", () => {
    const inOrder = ["2024-01-31-120000", "2024_01_31_120000_0000", "2024-01-31-120000-0001"];
    const all = [...inOrder, "20240131120001"];
    expect(all.toReversed().toSorted(byNumber)).toEqual(all);
    expect(new Set(all.map(numberOf)).size).toBe(all.length);
  });

  it.each([
    "2024-13-01",
    "2024-00-10",
    "2024-01-32",
    "2024-1-1",
    "2024-01_01",
    "24-01-01",
    "2024-01-01-123",
    "1824-01-01",
  ])("%s is no date", (version) => expect(numberOf(version)).toBeNull());
});
