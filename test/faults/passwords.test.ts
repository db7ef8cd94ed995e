import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionTo, open, refusalOf } from "../database/support.ts";
import { startServer, type TestServer } from "../support/postgres.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    hba: [
      "local all all trust",
      "host all postgres 127.0.0.1/32 trust",
      "host all clear 127.0.0.1/32 password",
      // Asks for whatever the role's secret needs.
      "host all all 127.0.0.1/32 md5",
    ],
  });
});
afterAll(() => server?.stop());

const passwords: Record<string, string> = {
  "every printable ASCII character": String.fromCharCode(
    ...Array.from({ length: 95 }, (_, index) => 32 + index),
  ),
  "control characters": "a\u0001b\tc\u007fd",
  "a line break": "a\nb\r\n",
  "a no-break space": "a\u00a0b",
  "an ideographic space": "a\u3000b",
  "a soft hyphen": "a\u00adb",
  "nothing but a soft hyphen": "\u00ad",
  "a zero-width joiner": "a\u200db",
  "a ligature": "\ufb01sh",
  "an ordinal": "\u00aa and \u2168",
  "a composed accent": "caf\u00e9",
  "a combining accent": "cafe\u0301",
  "accents in another order": "q\u0323\u0307 q\u0307\u0323",
  CJK: "\u65e5\u672c\u8a9e",
  "half-width kana": "\uff76\uff9e",
  "Hangul in parts": "\u1112\u1161\u11ab",
  "an emoji": "horse\u{1f40e}battery",
  "a family of emoji": "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}",
  Hebrew: "\u05e9\u05dc\u05d5\u05dd",
  "Hebrew and Latin": "\u05e9\u05dc\u05d5\u05dd abc",
  "Arabic that ends with a digit": "\u0627\u0628 1",
  "a private character": "a\ue000b",
  "a character that is none": "a\ufdd0b",
  "a letter of a newer Unicode": "a\u{1e900}b",
  "a left-to-right mark": "a\u200eb",
  "a control character beyond ASCII": "a\u0085b\u00e9",
  "a control character and an accent": "a\u0001\u00e9",
  "a replacement character": "a\ufffdb",
  "a tag character": "a\u{e0041}b",
  "200 characters": "\u00e9".repeat(200),
};

test.each(Object.entries(passwords))(
  "a password with %s opens the door, and only that one",
  async (name, password) => {
    for (const encryption of ["scram-sha-256", "md5"]) {
      const user = `${encryption} ${name}`;
      await server.sql(
        server.url,
        `SET password_encryption = '${encryption}'; CREATE ROLE "${user}" LOGIN PASSWORD '${password.replaceAll("'", "''")}'`,
      );
      const db = await open(connectionTo(server.url, { user, password }), { timeout: 0 });
      expect(await db.query("SELECT current_user AS who")).toEqual([{ who: user }]);
      await db.close();
      const wrong = connectionTo(server.url, { user, password: `${password}x` });
      expect((await refusalOf(open(wrong, { timeout: 0 }))).outcome).toBe("permission");
    }
    const quoted = password.replaceAll("'", "''");
    await server.sql(
      server.url,
      `SET password_encryption = 'scram-sha-256'; DROP ROLE IF EXISTS clear; CREATE ROLE clear LOGIN PASSWORD '${quoted}'`,
    );
    await (
      await open(connectionTo(server.url, { user: "clear", password }), { timeout: 0 })
    ).close();
  },
);
