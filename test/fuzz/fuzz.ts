import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";

const corpusDirectory = path.join(import.meta.dirname, "corpus");
const failures = path.join(import.meta.dirname, "../../node_modules/.cache/fuzz");

/** For each fuzzer; `npm run fuzz` gives more. */
const seconds = Number(process.env["PREFLIGHT_FUZZ_SECONDS"] ?? 5);

type Input = { readonly name: string; readonly bytes: Buffer };

/** Small real files, odd ones, and every one that ever broke something. */
export function corpus(reader: string): readonly Input[] {
  const directory = path.join(corpusDirectory, reader);
  return readdirSync(directory)
    .toSorted()
    .map((name) => ({ name, bytes: readFileSync(path.join(directory, name)) }));
}

/**
 * Changes files of the corpus until the time is up. `check` throws where a reader breaks a promise; what it threw at is
 * then made as small as it gets, and written where it can be looked at.
 */
export async function fuzz(
  reader: string,
  words: readonly string[],
  check: (bytes: Buffer) => unknown,
): Promise<void> {
  const inputs = corpus(reader).map(({ bytes }) => bytes);
  await search(reader, mutated(inputs, words), check);
}

/** The same for values of any other kind. */
export async function search<Value>(
  reader: string,
  values: fc.Arbitrary<Value>,
  check: (value: Value) => unknown,
): Promise<void> {
  const property = fc.asyncProperty(values, async (value) => {
    await check(value);
  });
  const result = await fc.check(property, {
    numRuns: 100_000_000,
    interruptAfterTimeLimit: seconds * 1000,
  });
  if (process.env["PREFLIGHT_FUZZ_SECONDS"] !== undefined)
    process.stdout.write(`${reader}: ${result.numRuns} inputs, seed ${result.seed}\n`);
  if (result.counterexample === null) return;
  const [value] = result.counterexample;
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value, null, 2));
  const name = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const file = path.join(failures, `${reader}-${name}`);
  mkdirSync(failures, { recursive: true });
  writeFileSync(file, bytes);
  const where = path.join(corpusDirectory, reader, "what-it-is-about");
  throw new Error(
    `${reader}, seed ${result.seed}, after ${result.numRuns} inputs: ${String(result.errorInstance)}
The input is in ${file}
To keep it: cp ${file} ${where}`,
    { cause: result.errorInstance },
  );
}

type Change =
  | { readonly kind: "cut"; readonly at: number; readonly length: number }
  | { readonly kind: "put"; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "over"; readonly at: number; readonly bytes: Buffer }
  | {
      readonly kind: "repeat";
      readonly at: number;
      readonly length: number;
      readonly times: number;
    }
  | { readonly kind: "move"; readonly at: number; readonly length: number; readonly to: number }
  | { readonly kind: "splice"; readonly at: number; readonly other: number };

/** Places are parts of a million, so that they mean the same however long the file is. */
const place = fc.nat({ max: 1_000_000 });

function mutated(inputs: readonly Buffer[], words: readonly string[]): fc.Arbitrary<Buffer> {
  const piece = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(...words, ...oddities).map((word) => Buffer.from(word)),
    },
    {
      weight: 2,
      arbitrary: fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
    },
    {
      weight: 1,
      arbitrary: fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => Buffer.from(text)),
    },
  );
  const length = fc.oneof(fc.nat({ max: 8 }), fc.nat({ max: 200 }));
  const last = inputs.length - 1;
  const change: fc.Arbitrary<Change> = fc.oneof(
    fc.record({ kind: fc.constant("cut" as const), at: place, length }),
    fc.record({ kind: fc.constant("put" as const), at: place, bytes: piece }),
    fc.record({ kind: fc.constant("over" as const), at: place, bytes: piece }),
    fc.record({
      kind: fc.constant("repeat" as const),
      at: place,
      length,
      times: fc.nat({ max: 40 }),
    }),
    fc.record({ kind: fc.constant("move" as const), at: place, length, to: place }),
    fc.record({ kind: fc.constant("splice" as const), at: place, other: fc.nat({ max: last }) }),
  );
  return fc
    .tuple(fc.nat({ max: last }), fc.array(change, { maxLength: 8 }))
    .map(([start, changes]) =>
      changes.reduce((bytes, each) => apply(bytes, each, inputs), inputs[start] ?? Buffer.alloc(0)),
    );
}

const oddities = [
  ..."\0\r\n\t\f\ufeff\u2028\u00a0é'\"\\%()[]{}:;,=-#$@/*0",
  "\r\n",
  "--",
  "-1",
  "1e400",
  "99999999999999999999",
  "constructor",
  "__proto__",
  "toString",
];

const longest = 100_000;

function apply(bytes: Buffer, change: Change, inputs: readonly Buffer[]): Buffer {
  const at = placeIn(bytes, change.at);
  const before = bytes.subarray(0, at);
  const result = (...parts: readonly Buffer[]) =>
    Buffer.concat([before, ...parts]).subarray(0, longest);
  switch (change.kind) {
    case "cut":
      return result(bytes.subarray(at + change.length));
    case "put":
      return result(change.bytes, bytes.subarray(at));
    case "over":
      return result(change.bytes, bytes.subarray(at + change.bytes.length));
    case "repeat": {
      const part = bytes.subarray(at, at + change.length);
      return result(...Array.from({ length: change.times }, () => part), bytes.subarray(at));
    }
    case "move": {
      const part = bytes.subarray(at, at + change.length);
      const rest = result(bytes.subarray(at + change.length));
      const to = placeIn(rest, change.to);
      return Buffer.concat([rest.subarray(0, to), part, rest.subarray(to)]);
    }
    case "splice": {
      const other = inputs[change.other] ?? Buffer.alloc(0);
      return result(other.subarray(placeIn(other, change.at)));
    }
  }
}

function placeIn(bytes: Buffer, at: number): number {
  return Math.floor((at / 1_000_001) * (bytes.length + 1));
}
