import { describe, expect, it } from "vitest";
import { inWords } from "../../src/core/old-spelling.ts";

function words(definition: string): string {
  return inWords({ kind: "constraint", object: "public.t", name: "c", definition }).definition;
}

/** As PostgreSQL 13 and as 18 print the same definitions: seen on both. */
describe("PostgreSQL 13's spelling is read as that of newer servers", () => {
  it.each([
    ["timezone('utc'::text, now())", "(now() AT TIME ZONE 'utc'::text)"],
    ["date_part('year'::text, now())", "EXTRACT(year FROM now())"],
    [`"substring"('abc'::text, 1, 2)`, "SUBSTRING('abc'::text FROM 1 FOR 2)"],
    [`"substring"('abc'::text, 2)`, "SUBSTRING('abc'::text FROM 2)"],
    ["btrim(' a '::text)", "TRIM(BOTH FROM ' a '::text)"],
    ["btrim('xax'::text, 'x'::text)", "TRIM(BOTH 'x'::text FROM 'xax'::text)"],
    ["ltrim('aa'::text, 'a'::text)", "TRIM(LEADING 'a'::text FROM 'aa'::text)"],
    ["rtrim('a '::text)", "TRIM(TRAILING FROM 'a '::text)"],
    [`"position"('ba'::text, 'a'::text)`, "POSITION(('a'::text) IN ('ba'::text))"],
    [
      `"overlay"('abc'::text, 'x'::text, 1, 1)`,
      "OVERLAY('abc'::text PLACING 'x'::text FROM 1 FOR 1)",
    ],
    [`"normalize"('a'::text, 'nfc'::text)`, "NORMALIZE('a'::text, NFC)"],
    ["is_normalized('a'::text, 'nfc'::text)", "('a'::text IS NFC NORMALIZED)"],
    ["is_normalized('a'::text)", "('a'::text IS NORMALIZED)"],
    [`"overlaps"(now(), now(), now(), now())`, "((now(), now()) OVERLAPS (now(), now()))"],
    [
      "CHECK ((date_part('epoch'::text, d) > (2000.5)::double precision))",
      "CHECK ((EXTRACT(epoch FROM d) > 2000.5))",
    ],
    [
      "CHECK (((date_part('isodow'::text, c) >= (1)::double precision) AND (date_part('isodow'::text, c) <= (5)::double precision)))",
      "CHECK (((EXTRACT(isodow FROM c) >= (1)::numeric) AND (EXTRACT(isodow FROM c) <= (5)::numeric)))",
    ],
    [
      `CHECK (("substring"(s, 1, length(btrim(s))) <> ''::text))`,
      "CHECK ((SUBSTRING(s FROM 1 FOR length(TRIM(BOTH FROM s))) <> ''::text))",
    ],
    [
      "date_trunc('day'::text, timezone('Europe/Berlin'::text, d))",
      "date_trunc('day'::text, (d AT TIME ZONE 'Europe/Berlin'::text))",
    ],
  ])("%s", (old, now) => {
    expect(words(old)).toBe(now);
    expect(words(now)).toBe(now);
  });
});

it.each([
  ["a function of the application", "public.btrim(a, 'x'::text)"],
  ["a text", "'timezone(''utc'', now()), btrim(a'::text"],
  ["a quoted name", `("btrim(a)" > 0)`],
  ["a column that is called so", "(timezone > 0)"],
  ["other arguments", "timezone(a)"],
  ["a pattern", `"substring"(a, 'b'::text)`],
  ["brackets that do not close", "btrim(a"],
])("what is not such a call stays as it is: %s", (_, definition) => {
  const closed = definition.endsWith("btrim(a") ? "TRIM(BOTH FROM a)" : definition;
  expect(words(definition)).toBe(closed);
});

it("of a function and a procedure the defaults of its arguments are read so, its body never", () => {
  for (const [kind, result] of [
    ["function", " RETURNS text\n"],
    ["procedure", ""],
  ] as const) {
    const define = (value: string): string =>
      `CREATE OR REPLACE ${kind.toUpperCase()} public.f(a text DEFAULT ${value})\n${result} LANGUAGE sql\nAS $function$\n LANGUAGE btrim(a)$function$\n`;
    const fact = {
      kind,
      object: "public.f(a text)",
      name: "",
      definition: define("btrim('a'::text)"),
    };
    expect(inWords(fact).definition).toBe(define("TRIM(BOTH FROM 'a'::text)"));
    const bare = { ...fact, definition: define("'a'::text") };
    expect(inWords(bare)).toBe(bare);
  }
});

it("the text of a comment is never touched", () => {
  const fact = { kind: "comment", object: "public.t", name: "", definition: "btrim(a)" } as const;
  expect(inWords(fact)).toBe(fact);
});
