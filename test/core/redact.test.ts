import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeRedactor, redactDeep } from "../../src/report/redact.ts";

const secret = String.raw`p@ss/w"or'd\ %é+1`;
const redact = makeRedactor([secret]);

describe("every spelling of a secret", () => {
  test.each([
    ["raw", secret],
    ["encodeURIComponent", encodeURIComponent(secret)],
    ["in lower-case hexadecimal", encodeURIComponent(secret).toLowerCase()],
    ["Python quote, which leaves the slash", `p%40ss/w%22or%27d%5C%20%25%C3%A9%2B1`],
    ["Python quote_plus", `p%40ss%2Fw%22or%27d%5C+%25%C3%A9%2B1`],
    ["an encoder that keeps no sign", `p%40ss%2fw%22or%27d%5c%20%25%c3%a9%2b1`],
    ["doubled for ConfigParser", secret.replaceAll("%", "%%")],
    ["encoded and doubled", encodeURIComponent(secret).replaceAll("%", "%%")],
    ["JSON", JSON.stringify(secret).slice(1, -1)],
    ["JSON, ASCII only", JSON.stringify(secret).slice(1, -1).replace("é", "\\u00e9")],
    ["JSON with escaped slashes", JSON.stringify(secret).slice(1, -1).replace("/", "\\/")],
    ["Python repr", String.raw`p@ss/w"or\'d\\ %é+1`],
    ["Python ascii()", String.raw`p@ss/w"or\'d\\ %\xe9+1`],
    ["Python repr of bytes", String.raw`p@ss/w"or\'d\\ %\xc3\xa9+1`],
    ["repr of the doubled one", String.raw`p@ss/w"or\'d\\ %%é+1`],
  ])("%s", (_, spelled) => {
    expect(redact(`before ${spelled} after`)).toBe("before *** after");
  });

  test.each([0, 1, 2, 3])("base64 behind %i other bytes, in both alphabets", (count) => {
    // Its base64 holds both of the digits that the two alphabets write differently.
    const binary = "pass>>>???~~~word";
    const text = Buffer.from(`${"u".repeat(count)}${binary}:rest`);
    for (const alphabet of ["base64", "base64url"] as const) {
      const shown = makeRedactor([binary])(text.toString(alphabet));
      expect(shown).toMatch(/^.{0,5}\*\*\*.{0,10}$/);
    }
  });

  test("line breaks and characters beyond the basic plane", () => {
    const odd = makeRedactor(["a\nb\t😀\u0001"]);
    for (const spelled of [
      "a\nb\t😀\u0001",
      JSON.stringify("a\nb\t😀\u0001"),
      String.raw`a\nb\t\ud83d\ude00\u0001`,
      String.raw`a\nb\t\U0001f600\x01`,
    ]) {
      expect(odd(spelled)).toMatch(/^"?\*\*\*"?$/);
    }
  });
});

describe("passwords of addresses, known or not", () => {
  const none = makeRedactor([]);
  test.each([
    ["postgres://u:word@h/d", "postgres://u:***@h/d"],
    ["at postgresql+asyncpg://u:w:o@r@d@h:5/d?x=y,", "at postgresql+asyncpg://u:***@h:5/d?x=y,"],
    ["redis://:word@h", "redis://:***@h"],
    ["CREATE ROLE r PASSWORD 'to''p s' LOGIN", "CREATE ROLE r PASSWORD '***' LOGIN"],
    ["alter user u encrypted password E'x'", "alter user u encrypted password E'***'"],
    ["CONNECTION 'host=h password=sub1 user=u'", "CONNECTION 'host=h password=*** user=u'"],
    ["the column password text NOT NULL", "the column password text NOT NULL"],
    ['{"a":"postgres://u:word@h","b":"x@y"}', '{"a":"postgres://u:***@h","b":"x@y"}'],
    ["postgres://u:a@h postgres://u:b@h", "postgres://u:***@h postgres://u:***@h"],
  ])("%s", (text, expected) => {
    expect(none(text)).toBe(expected);
  });

  test.each(["postgres://u@h:5/d", "http://h:80/x@y", "see https://x.org/a?b=c:d", "a:b@c", ""])(
    "%s has none",
    (text) => {
      expect(none(text)).toBe(text);
    },
  );

  test("a whole address is hidden whole", () => {
    const url = "postgres://u:word@h/d?x=1";
    expect(makeRedactor([url, "word"])(`<${url}> and word`)).toBe("<***> and ***");
  });
});

describe("many secrets", () => {
  test("the longer goes whole, and nothing is left of overlapping ones", () => {
    expect(makeRedactor(["pass", "password"])("password pass")).toBe("*** ***");
    expect(makeRedactor(["abcd", "bcdefgh"])("xabcdefghx")).toBe("x***x");
    expect(makeRedactor(["bcdefgh", "abcd"])("xabcdefghx")).toBe("x***x");
    expect(makeRedactor(["abcd", "efgh"])("abcdefgh")).toBe("***");
    expect(makeRedactor(["abab"])("ababab")).toBe("***");
  });

  test("an empty one hides nothing", () => {
    expect(makeRedactor([""])("text")).toBe("text");
  });

  test("text without a secret comes back as it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(!text.includes("~"));
        expect(makeRedactor(["~~unlikely~~"])(text)).toBe(text);
      }),
    );
  });

  test("no secret survives, wherever it stands and however it is escaped", () => {
    const secrets = fc.array(
      fc.string({ unit: "grapheme", minLength: 4 }).filter((text) => !/[*%]/.test(text)),
      { minLength: 1, maxLength: 4 },
    );
    const spelling = fc.constantFrom<(text: string) => string>(
      (text) => text,
      encodeURIComponent,
      (text) => encodeURIComponent(text).replaceAll("%", "%%"),
      (text) => JSON.stringify(text).slice(1, -1),
    );
    fc.assert(
      fc.property(secrets, spelling, fc.string(), (all, spell, between) => {
        const shown = makeRedactor(all)(all.map(spell).join(between));
        for (const one of all) {
          expect(shown).not.toContain(one);
          expect(shown).not.toContain(spell(one));
        }
      }),
    );
  });

  test("signs that a naive pattern would try in every combination take no time", () => {
    const hard = makeRedactor([`${"%".repeat(60)}x`, `${"\\".repeat(60)}x`, `${"' ".repeat(40)}x`]);
    const text = "%".repeat(3000) + "\\".repeat(3000) + "' ".repeat(2000);
    const start = performance.now();
    expect(hard(text)).toBe(text);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

test("redactDeep changes strings, and no key, number, boolean or null", () => {
  const hide = makeRedactor(["word"]);
  const value = { word: "a word", list: ["word", 1, true, null, { x: "word" }], none: undefined };
  expect(redactDeep(hide, value)).toEqual({
    word: "a ***",
    list: ["***", 1, true, null, { x: "***" }],
    none: undefined,
  });
  expect(value.word).toBe("a word");
});
