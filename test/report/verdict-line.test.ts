import fc from "fast-check";
import { expect, test } from "vitest";
import { completeLine, emptyRecord } from "../../src/engine/run-record.ts";
import { formatVerdictLine } from "../../src/report/verdict-line.ts";
import { verdictLine } from "../../src/report/verdict-schema.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.integer({ min: 0, max: 5000 }).map((length) => "x".repeat(length)),
  fc.integer({ min: 0, max: 5000 }).map((length) => "\u0000".repeat(length)),
  fc.integer({ min: 0, max: 3000 }).map((length) => "\u{1F600}".repeat(length)),
);
const texts = fc.array(text, { maxLength: 40 });

test("whatever a database and an image are called, the line is valid and fits a termination message", () => {
  fc.assert(
    fc.property(texts, texts, texts, text, (recorded, proven, revisions, reason) => {
      const record = {
        ...emptyRecord("0123abcd"),
        recorded,
        proven,
        recordedAfter: recorded,
        withoutFile: proven,
        skipped: revisions,
        actions: [
          { kind: "stamp" as const, from: recorded, to: proven, because: "proven" as const },
          { kind: "upgrade" as const, revisions },
        ],
      };
      const ending = { outcome: "unproven" as const, reason, next: revisions };
      const line = formatVerdictLine(completeLine(record, ending, 21));
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(4096);
      expect(line).not.toContain("\n");
      expect(verdictLine.parse(JSON.parse(line))).toMatchObject({ outcome: "unproven", exit: 21 });
    }),
  );
}, 60_000);
