import { chmodSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { libpqParameters } from "../../src/settings/connection-parameters.ts";
import { readDatabase } from "../../src/settings/connection-source.ts";
import { parseConnectionUrl } from "../../src/settings/connection-url.ts";
import { noFindings, type Sources } from "../../src/settings/sources.ts";
import { type AddressOracle, type Reading, startAddressOracle } from "./address-oracle.ts";

let oracle: AddressOracle;

beforeAll(async () => {
  oracle = await startAddressOracle();
});

afterAll(() => {
  oracle?.stop();
});

const runs = Number(process.env["ADDRESS_RUNS"] ?? 4000);

describe("a URL", () => {
  test("that is accepted is what libpq and SQLAlchemy read, and no refusal repeats a part of it (fault 46)", async () => {
    const seen = { accepted: 0, bySqlAlchemy: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(anyUrl, async (parts) => {
        const { connection, faults, warnings } = look({ env: { DATABASE_URL: spell(parts) } });
        expect([...faults, ...warnings].join("\n")).not.toMatch(/S3kr1t|t0ken/);
        const reading = parseConnectionUrl(spell(parts));
        if (connection === null || reading.kind === "faults") {
          seen.refused += 1;
          return;
        }
        const answer = await oracle.read({
          libpq: spell({ ...parts, scheme: "postgresql", query: parts.query.flatMap(forLibpq) }),
          sqlalchemy: spell(parts),
        });
        const ours = asLibpqsWords(Object.fromEntries(reading.parameters));
        seen.accepted += 1;
        expect(ours).toEqual(answer.libpq);
        if (answer.sqlalchemy === null) return;
        seen.bySqlAlchemy += 1;
        const isSocket = /%2f/i.test(parts.authority);
        expect(comparable(answer.sqlalchemy, isSocket)).toEqual(
          comparable(Object.fromEntries(reading.parameters), isSocket),
        );
      }),
      { numRuns: runs },
    );
    expect(seen.accepted, "enough is accepted to tell").toBeGreaterThan(runs / 10);
    expect(seen.bySqlAlchemy).toBeGreaterThan(runs / 20);
    expect(seen.refused).toBeGreaterThan(runs / 10);
  });

  test("that is written with every sign encoded is accepted, whatever its parts are", async () => {
    const name = fc
      .string({ unit: "binary", minLength: 1 })
      .filter((text) => !text.includes("\0") && isWellFormed(text));
    const urls = fc.record({ user: name, password: name, dbname: name, application_name: name });
    await fc.assert(
      fc.asyncProperty(urls, async (parts) => {
        const { user, password, dbname, application_name } = mapValues(parts, encodeURIComponent);
        const url = `postgresql://${user}:${password}@h:1/${dbname}?application_name=${application_name}`;
        const reading = parseConnectionUrl(url);
        const expected = { ...parts, host: "h", port: "1" };
        expect(reading.kind === "parameters" && Object.fromEntries(reading.parameters)).toEqual(
          expected,
        );
        const answer = await oracle.read({ libpq: url, sqlalchemy: url });
        expect(answer.libpq).toEqual(expected);
        expect(answer.sqlalchemy).toEqual(expected);
      }),
      { numRuns: runs / 4 },
    );
  });
});

describe("libpq's variables", () => {
  test("are those that libpq has", async () => {
    const known = await oracle.defaults({});
    expect(mapValues(libpqParameters, ({ variable }) => variable)).toEqual({
      ...mapValues(known, ({ variable }) => variable),
      // Compiled in only where it is meant.
      servicefile: "PGSERVICEFILE",
    });
  });

  test("fill in what libpq fills in", async () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
    const environments = fc.record(
      {
        PGHOST: fc.array(word, { minLength: 1, maxLength: 2 }).map((hosts) => hosts.join(",")),
        PGPORT: fc.integer({ min: 1, max: 65535 }).map(String),
        PGUSER: word,
        PGPASSWORD: word,
        PGDATABASE: word,
        PGSSLMODE: fc.constantFrom("disable", "allow", "prefer", "require", "verify-ca"),
        PGREQUIRESSL: fc.constantFrom("0", "1", "yes"),
        PGSSLROOTCERT: fc.constantFrom("/ca.pem"),
        PGOPTIONS: word,
        PGAPPNAME: word,
        PGTARGETSESSIONATTRS: fc.constantFrom("any", "primary", "standby"),
      },
      { requiredKeys: ["PGHOST", "PGUSER"] },
    );
    await fc.assert(
      fc.asyncProperty(environments, async (env) => {
        const given = definedOf(env);
        const libpq = mapValues(await oracle.defaults(given), ({ value }) => value);
        const { connection } = look({ env: given });
        expect(connection).toMatchObject({
          user: libpq["user"],
          database: libpq["dbname"] ?? libpq["user"],
          applicationName: libpq["application_name"],
          options: libpq["options"],
          targetSession: libpq["target_session_attrs"],
          tls: { mode: libpq["sslmode"], rootCert: libpq["sslrootcert"] },
        });
        expect(connection?.hosts.map(({ host }) => host).join(",")).toBe(libpq["host"]);
        for (const { port, password } of connection?.hosts ?? [])
          expect([String(port), password]).toEqual([libpq["port"], libpq["password"]]);
      }),
      { numRuns: 300 },
    );
  });

  test("PGSSLROOTCERT=system asks for verify-full", async () => {
    const env = { PGHOST: "h", PGUSER: "u", PGSSLROOTCERT: "system" };
    expect((await oracle.defaults(env))["sslmode"]?.value).toBe("verify-full");
    expect(look({ env }).connection?.tls.mode).toBe("verify-full");
  });
});

describe("the password file", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-pgpass-"));
  const passfile = path.join(directory, "pgpass");

  /** Our answer and libpq's, for the same file. */
  async function both(wanted: Reading, file = passfile) {
    const { host = "h", user = "u", dbname = "d" } = wanted;
    const env = {
      PGHOST: host,
      PGHOSTADDR: "127.0.0.1",
      PGPORT: String(oracle.port),
      PGUSER: user,
      PGDATABASE: dbname,
      PGPASSFILE: file,
    };
    const { connection, warnings } = look({ env });
    const libpqs = await oracle.password({ host, user, dbname, passfile: file });
    return { ours: connection?.hosts[0]?.password ?? null, libpqs, warnings };
  }

  test("has the same password for us as for libpq", async () => {
    const field = fc.oneof(
      fc.constantFrom("*", "h", "u", "d", "*x", "", "a:b", String.raw`a\:b`, "\\", "\\\\", "ä"),
      fc.string({ unit: fc.constantFrom("a", "b", ":", "\\", "*", "#", " "), maxLength: 4 }),
    );
    const line = fc
      .tuple(field, fc.constantFrom("*", "PORT", "1"), field, field, field)
      .map((fields) => fields.map((text) => text.replace("PORT", String(oracle.port))).join(":"));
    const mostlyFits = fc
      .tuple(fc.constantFrom("*", "h"), fc.constantFrom("*", "d"), fc.constantFrom("*", "u"), field)
      .map(([host, database, user, password]) => `${host}:*:${database}:${user}:${password}`);
    const ending = fc.constantFrom("\n", "\n", "\r\n", "\r\r\n", "\n\n");
    const text = fc
      .array(fc.tuple(fc.oneof(line, mostlyFits, fc.constant("# a comment")), ending), {
        maxLength: 5,
      })
      .chain((lines) =>
        fc.constantFrom(
          lines.flat().join(""),
          lines.flat().join("").trimEnd(),
          `${lines.flat().join("").trimEnd()}\r`,
        ),
      );
    const named = fc.constantFrom("h", "u", "d", "a:b", "\\", "ä", "*", "a", "b");
    const wanted = fc.record({ host: fc.constantFrom("h", "a"), user: named, dbname: named });
    let found = 0;
    await fc.assert(
      fc.asyncProperty(text, wanted, async (content, parts) => {
        writeFileSync(passfile, content, { mode: 0o600 });
        const { ours, libpqs } = await both(parts);
        if (libpqs !== null) found += 1;
        expect(ours).toBe(libpqs === "" ? null : libpqs);
      }),
      { numRuns: runs / 4 },
    );
    expect(found, "enough passwords are found to tell").toBeGreaterThan(runs / 40);
  });

  test.each([0o600, 0o400, 0o700, 0o640, 0o604, 0o644, 0o660, 0o610, 0o601, 0o777])(
    "of mode %o is read when libpq reads it, and else a warning says what to do",
    async (mode) => {
      const file = path.join(directory, `mode-${mode}`);
      writeFileSync(file, "*:*:*:*:word\n");
      chmodSync(file, mode);
      const { ours, libpqs, warnings } = await both({}, file);
      expect(ours).toBe(libpqs);
      expect(ours).toBe((mode & 0o077) === 0 ? "word" : null);
      if (ours !== null) return expect(warnings).toEqual([]);
      expect(warnings).toEqual([
        expect.stringMatching(/PGPASSFILE .*mode 0\d+.*chmod 0600 .*defaultMode: 0400/),
      ]);
    },
  );

  test("that is no plain file is not read, and a warning says so", async () => {
    const file = path.join(directory, "directory");
    mkdirSync(file, { mode: 0o700 });
    const { ours, libpqs, warnings } = await both({}, file);
    expect([ours, libpqs]).toEqual([null, null]);
    expect(warnings).toEqual([expect.stringContaining("not a plain file")]);
  });

  test("calls the default socket directory localhost", async () => {
    writeFileSync(passfile, "localhost:*:*:*:word\n", { mode: 0o600 });
    const libpqs = await oracle.password({
      host: "/var/run/postgresql",
      user: "u",
      dbname: "d",
      passfile,
    });
    const { connection } = look({ env: { PGPORT: "1", PGUSER: "u", PGPASSFILE: passfile } });
    expect([connection?.hosts[0]?.password, libpqs]).toEqual(["word", "word"]);
  });
});

/** The pieces of a URL, as written. */
type Parts = {
  readonly scheme: string;
  readonly userinfo: string;
  readonly authority: string;
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
};

function spell({ scheme, userinfo, authority, path, query }: Parts): string {
  const pairs = query.map(([name, value]) => `${name}=${value}`);
  return `${scheme}://${userinfo}${authority}${path}${pairs.length === 0 ? "" : `?${pairs.join("&")}`}`;
}

const odd = fc.constantFrom(..."@:/?#%&=+ []{}|\\^~!$'()*;,\"<>`-_.äß漢🙂\u00a0\t\n");
const encoded = odd.map(encodeURIComponent);
const plain = fc.constantFrom("a", "b1", "S3kr1t", "t0ken");
const broken = fc.constantFrom("%", "%zz", "%4", "%00", "%ff", "%C3", "%c3%a4", "%2f");
const piece = fc.oneof(
  { arbitrary: plain, weight: 12 },
  { arbitrary: encoded, weight: 8 },
  { arbitrary: odd, weight: 1 },
  { arbitrary: broken, weight: 1 },
);
const text = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""));

const host = fc.oneof(
  { arbitrary: fc.constantFrom("h", "db.example.org", "10.0.0.1", "", "a-b_c"), weight: 8 },
  { arbitrary: fc.constantFrom("[::1]", "[2001:db8::7]", "[fe80::1%25eth0]", "[h]"), weight: 2 },
  { arbitrary: fc.constantFrom("%2Ftmp", "%2Fvar%2Frun", "%2ftmp", "h%61", "::1"), weight: 2 },
  { arbitrary: text, weight: 1 },
);
const port = fc.oneof(
  { arbitrary: fc.constant(""), weight: 4 },
  { arbitrary: fc.constantFrom(":5432", ":1", ":65535", ":05"), weight: 6 },
  { arbitrary: fc.constantFrom(":", ":0", ":x", ":5%34", ":-1", ":٣"), weight: 1 },
);
const place = fc.tuple(host, port).map((pair) => pair.join(""));
const authority = fc.oneof(
  { arbitrary: place, weight: 5 },
  { arbitrary: fc.array(place, { maxLength: 3 }).map((places) => places.join(",")), weight: 2 },
);
const libpqs =
  "host hostaddr port user password dbname application_name options sslmode sslrootcert connect_timeout target_session_attrs passfile".split(
    " ",
  );
const keyword = fc.oneof(
  {
    arbitrary: fc.constantFrom(...libpqs),
    weight: 12,
  },
  { arbitrary: fc.constantFrom("ssl", "prepared_statement_cache_size", "%73slmode"), weight: 2 },
  { arbitrary: fc.constantFrom("pgbouncer", "schema", "", "constructor"), weight: 1 },
);
const pair = fc.tuple(
  keyword,
  fc.oneof(
    text,
    fc.constantFrom("require", "true", "/tmp", "a,b", "1,2", "/cloudsql/a:b:c", "::1"),
  ),
);

const drivers = ["psycopg", "psycopg_async", "psycopg2", "psycopg2cffi", "asyncpg", "pg8000"];
const schemes = ["postgres", "postgresql", ...drivers.map((driver) => `postgresql+${driver}`)];

const anyUrl: fc.Arbitrary<Parts> = fc
  .record({
    scheme: fc.constantFrom(...schemes),
    userinfo: fc.oneof(
      fc.constant(""),
      text.map((user) => `${user}@`),
      fc.tuple(text, text).map(([user, password]) => `${user}:${password}@`),
    ),
    authority,
    path: fc.oneof(
      fc.constantFrom("", "/"),
      text.map((database) => `/${database}`),
    ),
    query: fc.array(pair, { maxLength: 3 }),
  })
  // Both in one URL is judged elsewhere.
  .filter(({ query }) => query.filter(([name]) => /^(ssl|(s|%73)slmode)$/.test(name)).length < 2);

const others = ["prepared_statement_cache_size", "pgbouncer", "schema", "constructor"];

/** `ssl` is asyncpg's; the parameters of other programs are not libpq's. */
function forLibpq([name, value]: readonly [string, string]): (readonly [string, string])[] {
  if (name === "ssl") return [["sslmode", value === "true" ? "require" : value]];
  return others.includes(decodeURIComponent(name)) ? [] : [[name, value]];
}

function asLibpqsWords({ ssl, ...rest }: Reading): Reading {
  return ssl === undefined ? rest : { ...rest, sslmode: ssl === "true" ? "require" : ssl };
}

/** SQLAlchemy makes numbers of ports, and leaves them out or fills in commas where none is given. */
function comparable(reading: Reading, isSocket: boolean): Reading {
  const { port = "", ssl: _, host, ...more } = reading;
  const rest = Object.fromEntries(Object.entries(more).filter(([name]) => !others.includes(name)));
  const ports = port.split(",").map((text) => (text === "" ? "" : String(Number(text))));
  return {
    ...rest,
    ...(isSocket || host === undefined ? {} : { host }),
    ...(ports.every((text) => text === "") ? {} : { port: ports.join(",") }),
  };
}

function look({ env }: { readonly env: Readonly<Record<string, string>> }) {
  const findings = noFindings();
  const sources: Sources = {
    env,
    readFile: (file) => readFileSync(file, "utf8"),
    statFile: (file) => {
      const status = statSync(file, { throwIfNoEntry: false });
      if (status === undefined) return null;
      return { isFile: status.isFile(), mode: status.mode & 0o777, owner: status.uid };
    },
    osUser: "me",
    osHome: null,
  };
  return { connection: readDatabase(sources, findings), ...findings };
}

function isWellFormed(text: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}

function mapValues<Key extends string, From, To>(
  record: Readonly<Record<Key, From>>,
  change: (value: From) => To,
): Record<Key, To> {
  const entries = Object.entries<From>(record).map(([key, value]) => [key, change(value)]);
  return Object.fromEntries(entries) as Record<Key, To>;
}

function definedOf(record: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
