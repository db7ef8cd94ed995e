import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeRedactor, mostShown, redactDeep } from "../../src/report/redact.ts";
import { readLines } from "../../src/tools/child.ts";

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
    ["encoded twice", encodeURIComponent(encodeURIComponent(secret))],
    ["the repr in a JSON log", JSON.stringify(String.raw`p@ss/w"or\'d\\ %é+1`).slice(1, -1)],
    ["JSON in JSON", JSON.stringify(JSON.stringify(secret)).slice(3, -3)],
    ["a DSN's quotes", String.raw`p@ss/w"or\'d\\ %é+1`],
    ["a shell's single quotes", secret.replaceAll("'", String.raw`'\''`)],
    ["Python's shlex.quote", secret.replaceAll("'", `'"'"'`)],
    ["SQL's quotes", secret.replaceAll("'", "''")],
    ["bash's printf %q", String.raw`p@ss/w\"or\'d\\\ %é+1`],
    ["octal, as C and bash have it", String.raw`p@ss/w"or\'d\\ %\303\251+1`],
    ["html.escape", "p@ss/w&quot;or&#x27;d\\ %é+1"],
    ["numbered entities", "p&#64;ss&#x2F;w&#34;or&#039;d&#92;&#32;&#37;&#233;&#43;1"],
    ["hexadecimal", Buffer.from(secret).toString("hex")],
    ["HEXADECIMAL", Buffer.from(secret).toString("hex").toUpperCase()],
    [
      "a dump of bytes",
      [...Buffer.from(secret)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "),
    ],
    [
      "every byte percent-encoded",
      Buffer.from(secret).toString("hex").replaceAll(/../g, "%$&").slice(1),
    ],
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
  }, 60_000);

  test("signs that a naive pattern would try in every combination take no time", () => {
    const hard = makeRedactor([`${"%".repeat(60)}x`, `${"\\".repeat(60)}x`, `${"' ".repeat(40)}x`]);
    const text = "%".repeat(3000) + "\\".repeat(3000) + "' ".repeat(2000);
    const start = performance.now();
    expect(hard(text)).toBe(text);
    expect(performance.now() - start, "not for ever").toBeLessThan(30_000);
  });
});

test("a secret that ends in an ampersand leaves nothing of its HTML", () => {
  expect(makeRedactor(["s3cret&"])("password s3cret&amp; given")).toBe("password *** given");
});

describe("a secret that is not shown whole", () => {
  const hide = makeRedactor(["correct-horse-battery"]);

  test("half of it, before or behind the dots of whoever cut it", () => {
    expect(hide("near 'correct-horse-b...'")).toBe("near '***...'");
    expect(hide("… (9 characters truncated) ...horse-battery")).toBe(
      "… (9 characters truncated) ...***",
    );
    expect(hide("postgres://u:correct-hors… and so on")).toBe("postgres://u:***… and so on");
    expect(makeRedactor([])("postgresql://u:not-known-befo...")).toBe("postgresql://u:***...");
    expect(hide("correct ... battery")).toBe("correct ... battery");
  });

  test("a text is cut where it is too long to show, and never within a secret", () => {
    for (const before of [
      mostShown - 25,
      mostShown - 12,
      mostShown - 1,
      mostShown,
      mostShown + 1,
    ]) {
      const shown = hide(`${"x".repeat(before)}correct-horse-battery${"y".repeat(mostShown)}`);
      expect(shown.length).toBeLessThan(mostShown + 100);
      expect(shown).not.toMatch(/correct|battery|orse/);
      expect(shown).toMatch(/ \(cut: the text is longer than 64 KiB\)$/);
    }
    expect(hide("x".repeat(mostShown))).toBe("x".repeat(mostShown));
  });

  test("each line of one with line breaks, and each part of a very long one", () => {
    const key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\r\nhkiG9w0BAQEFAASC\n}\n";
    const lines = makeRedactor([key]);
    expect(lines("MIIEvQIBADANBgkq")).toBe("***");
    expect(lines("  hkiG9w0BAQEFAASC.")).toBe("  ***.");
    expect(lines("} else {")).toBe("} else {");
    expect(lines(JSON.stringify(key))).toBe('"***"');
    const token = Array.from({ length: 3000 }, (_, index) => (index * 7919).toString(36)).join("");
    const long = makeRedactor([token]);
    expect(long(`a ${token} b`)).toBe("a *** b");
    expect(long(token.slice(0, 1024))).toBe("***");
    expect(long(JSON.stringify(encodeURIComponent(token)))).toBe('"***"');
  });
});

describe("a secret that is a short word", () => {
  const hide = makeRedactor(["a", "v1", "1"]);

  test.each([
    ["a table and 11 rows", "*** table and 11 rows"],
    ["password: v1, v12", "password: ***, v12"],
    ["postgres://u:a@h", "postgres://u:***@h"],
    [String.raw`"user\na\n"`, String.raw`"user\n***\n"`],
    ["postgres%3A%2F%2Fu%3Av1%40h", "postgres%3A%2F%2Fu%3A***%40h"],
    ["\u001b[31mv1\u001b[0m", "\u001b[31m***\u001b[0m"],
  ])("goes where it stands for itself: %s", (text, expected) => {
    expect(hide(text)).toBe(expected);
  });
});

describe("a password that is the user's or the database's name, too", () => {
  const hide = makeRedactor(["shop", "postgres://shop:shop@db/shop", "s3cr3t"], ["shop"]);

  test.each([
    'database "shop" does not exist',
    "table shop.orders, column shop.shop_id, user shop, host shop",
    "connecting as shop@shop:5432/shop",
    'password authentication failed for user "shop"',
    "Key (name)=(shop) already exists",
    "running shop db upgrade; the password shopping list",
  ])("stays where it is a name: %s", (text) => {
    expect(hide(text)).toBe(text);
  });

  test.each([
    ["<postgres://shop:shop@db/shop>", "<***>"],
    ["postgresql+asyncpg://shop:shop@db/shop", "postgresql+asyncpg://shop:***@db/shop"],
    ["shop:shop@db/shop", "shop:***@db/shop"],
    ["postgres%3A%2F%2Fshop%3Ashop%40h%2Fshop", "postgres%3A%2F%2Fshop%3A***%40h%2Fshop"],
    ["user=shop password=shop dbname=shop", "user=shop password=*** dbname=shop"],
    ["PGUSER=shop PGPASSWORD=shop", "PGUSER=shop PGPASSWORD=***"],
    ["POSTGRES_PASSWORD: 'shop'", "POSTGRES_PASSWORD: '***'"],
    [String.raw`{\"db_password\": \"shop\"}`, String.raw`{\"db_password\": \"***\"}`],
    ["APP_SECRET=shop, API_KEY: shop", "APP_SECRET=***, API_KEY: ***"],
    ["psql --password shop -U shop", "psql --password *** -U shop"],
    ["CREATE ROLE shop PASSWORD 'shop'", "CREATE ROLE shop PASSWORD '***'"],
    ["db:5432:shop:shop:shop", "db:5432:shop:shop:***"],
    ["redis://shop:sho… and s3cr3t", "redis://shop:***… and ***"],
    [Buffer.from("shop").toString("hex"), "***"],
  ])("goes where a password stands: %s", (text, expected) => {
    expect(hide(text)).toBe(expected);
  });

  test("nor where it is a part of another secret", () => {
    expect(makeRedactor(["shop", "one line\nshop"], ["shop"])("shop")).toBe("***");
  });

  test("no other secret is shown because of it", () => {
    const secrets = fc.array(
      fc.string({ unit: "grapheme", minLength: 4 }).filter((text) => !/[*%]/.test(text)),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(secrets, fc.constantFrom("shop", ":shop@", "\nshop\n"), (others, between) => {
        const all = ["shop", ...others, `${others[0]}\nshop`];
        const text = others.join(between);
        const shown = makeRedactor(all, ["shop"])(text);
        for (const one of others) if (one !== "shop") expect(shown).not.toContain(one);
      }),
    );
  }, 60_000);
});

test("no secret survives a child's output, however it is spelled and wherever its writes are cut", async () => {
  const spelled: readonly ((text: string) => string)[] = [
    (text) => text,
    encodeURIComponent,
    (text) => encodeURIComponent(text).replaceAll("%", "%%"),
    (text) => JSON.stringify(text).slice(1, -1),
    (text) => JSON.stringify(JSON.stringify(text)).slice(3, -3),
    (text) => text.replaceAll("'", String.raw`'\''`),
    (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("'", "&#x27;"),
    (text) => Buffer.from(text).toString("hex"),
    (text) => Buffer.from(`u:${text}`).toString("base64"),
    (text) => Buffer.from(`:${text}@`).toString("base64url"),
  ];
  const secrets = fc
    .string({ unit: "grapheme", minLength: 6, maxLength: 40 })
    .filter((text) => !/[*\r\n]/.test(text) && text.trim().length >= 6);
  const padding = fc.oneof(
    fc.constant(0),
    fc.nat({ max: 100 }),
    fc.integer({ min: 65_400, max: 65_600 }),
  );
  await fc.assert(
    fc.asyncProperty(
      secrets,
      fc.constantFrom(...spelled),
      padding,
      fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 5 }),
      async (secret, spell, before, cuts) => {
        const line = `${"\u00b7".repeat(before)} ${spell(secret)} \n`;
        const redacted = makeRedactor([secret]);
        const shown: string[] = [];
        const bytes = Buffer.from(line);
        await readLines(Readable.from(chunks(bytes, before * 2, cuts)), (text) => {
          shown.push(redacted(text));
        });
        expect(shown).toHaveLength(1);
        // What base64 shares with its neighbours are at most a digit on either side, of what stands before it three more.
        // A text that is cut between these and the secret shows them alone.
        const kept = (shown[0] ?? "").replaceAll("\u00b7", "").replace(/… \(cut.*$/, "");
        expect(kept).toMatch(/^\s*[\w+/=-]{0,4}\*{3}[\w+/=-]{0,4}\s*$|^\s*[\w+/=-]{0,4}$/);
      },
    ),
  );
}, 60_000);

function* chunks(bytes: Buffer, start: number, sizes: readonly number[]): Generator<Buffer> {
  let [at, next] = [start, 0];
  yield bytes.subarray(0, start);
  while (at < bytes.length) {
    const size = 1 + (sizes[next % sizes.length] ?? 0);
    yield bytes.subarray(at, at + size);
    at += size;
    next += 1;
  }
}

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
