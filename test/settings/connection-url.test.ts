import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseConnectionUrl } from "../../src/settings/connection-url.ts";

/** What `PQconninfoParse` of libpq 18 answers, recorded from it; empty values left out. */
const asLibpqReads: readonly (readonly [string, Record<string, string>])[] = [
  ["postgres://", {}],
  ["postgresql://h", { host: "h" }],
  ["postgres:///db?host=/tmp", { dbname: "db", host: "/tmp" }],
  ["postgres://h1:1,h2/db", { dbname: "db", host: "h1,h2", port: "1," }],
  ["postgresql://h1,h2/a", { dbname: "a", host: "h1,h2", port: "," }],
  [
    "postgresql://u@h1:1,h2:2,[::1]:3/d",
    { user: "u", dbname: "d", host: "h1,h2,::1", port: "1,2,3" },
  ],
  ["postgres://[::1]:5/db", { dbname: "db", host: "::1", port: "5" }],
  ["postgres://%2Ftmp/db", { dbname: "db", host: "/tmp" }],
  ["postgres://u@/db", { user: "u", dbname: "db" }],
  ["postgres://u:@h/", { user: "u", host: "h" }],
  ["postgresql://:p@h/", { password: "p", host: "h" }],
  ["postgresql://@h", { host: "h" }],
  ["postgresql://h:/d", { dbname: "d", host: "h" }],
  ["postgresql://h/a/b", { dbname: "a/b", host: "h" }],
  ["postgresql://h/d?", { dbname: "d", host: "h" }],
  ["postgresql://h?user=x", { user: "x", host: "h" }],
  ["postgresql://h/d?host=x&port=3", { dbname: "d", host: "x", port: "3" }],
  ["postgresql://u:p@?host=h", { user: "u", password: "p", host: "h" }],
  ["postgresql://h/d?application_name=x&", { dbname: "d", host: "h", application_name: "x" }],
  ["postgresql://h/d?applic%61tion_name=x", { dbname: "d", host: "h", application_name: "x" }],
  ["postgresql://h/d?sslmode=zz", { dbname: "d", host: "h", sslmode: "zz" }],
  ["postgresql://u:pä%C3%A9@h/d", { user: "u", password: "päé", dbname: "d", host: "h" }],
  ["postgresql://u:a+b@h/my%20db", { user: "u", password: "a+b", dbname: "my db", host: "h" }],
];

test.each(asLibpqReads)("%s is read as libpq reads it", (url, expected) => {
  expect(read(url)).toEqual(expected);
});

test.each([
  "postgresql+psycopg",
  "postgresql+psycopg2",
  "postgresql+psycopg2cffi",
  "postgresql+psycopg_async",
  "postgresql+asyncpg",
  "postgresql+aiopg",
  "postgresql+pg8000",
  "postgresql+one_of_tomorrow",
  "postgres+asyncpg",
  "jdbc:postgresql",
])("%s:// is known", (scheme) => {
  expect(read(`${scheme}://u:p@h:1/d`)).toEqual({
    user: "u",
    password: "p",
    host: "h",
    port: "1",
    dbname: "d",
  });
});

test("what libpq does not know is told apart", () => {
  const reading = parseConnectionUrl("postgresql+asyncpg://h/d?timeout=3&ssl=require&options[x]=y");
  expect(reading).toEqual({
    kind: "parameters",
    scheme: "postgresql+asyncpg",
    parameters: new Map([
      ["host", "h"],
      ["dbname", "d"],
      ["ssl", "require"],
    ]),
    others: new Map([
      ["timeout", "3"],
      ["options[x]", "y"],
    ]),
  });
});

describe("a URL that programs read in different ways is refused, naming the sign", () => {
  test.each([
    ["@", "postgres://u:se@cret@h/db", ["@"]],
    ["/", "postgres://u:se/cret@h/db", ["@", "/"]],
    ["?", "postgres://u:se?cret@h/db", ["@", "?"]],
    ["#", "postgres://u:se#cret@h/db", ["#"]],
    [":", "postgres://u:se:cret@h/db", [":"]],
    ["%", "postgres://u:se%zzcret@h/db", ["%"]],
    ["% at the end", "postgres://u:secret%@h/db", ["%"]],
    ["# after the database", "postgres://h/db#frag", ["#"]],
    ["@ in the query", "postgres://h:5/db?user=a@b", ["@", "/", "?"]],
    ["several at once", "postgres://u:a/b?c#d:e%@f@h/db", ["@", "/", "?", "#", ":", "%"]],
  ])("%s", (_, url, signs) => {
    const named = faultsOf(url).map((fault) => /holds a "(.)"/.exec(fault)?.[1]);
    expect(named).toEqual(signs);
    expect(faultsOf(url).join()).not.toMatch(/secret|se.cret/);
  });
});

test.each([
  ["mysql://u:secret@h/d", /must begin with/],
  ["POSTGRES://h/d", /must begin with/],
  ["postgresql+://h/d", /must begin with/],
  ["postgresql+3://h/d", /must begin with/],
  ["mysql+asyncpg://h/d", /must begin with/],
  ["jdbc:mysql://h/d", /must begin with/],
  ["host=h dbname=d password=secret", /must begin with/],
  ["secret", /must begin with/],
  ["", /must begin with/],
  ["postgresql://u:secret@h/d\n", /white space/],
  ["postgresql://h /d", /white space/],
  ["postgresql://h/%00", /%00/],
  ["postgresql://u:secret%ff@h/d", /not UTF-8/],
  ["postgresql://[::1/d", /names a host in a form/],
  ["postgresql://[h]/d", /names a host in a form/],
  ["postgresql://[]/d", /names a host in a form/],
  ["postgresql://[::1]x/d", /names a host in a form/],
  ["postgresql://h:1:2/d", /names a host in a form/],
  ["postgresql://a%2Cb/d", /plain commas/],
  ["postgresql://h/d?sslmode", /name=value/],
  ["postgresql://h/d?sslmode=a=b", /name=value/],
  ["postgresql://h/d?&sslmode=a", /name=value/],
  ["postgresql://h/d?host=a&host=b", /second time/],
  ["postgresql://h/d?options=-c+a%3Db", /"\+" in parameter 1/],
  ["postgresql://h/d?application_name=a+b", /"\+" in parameter 1/],
  ["postgresql://h/d?host=", /parameter 1 no value/],
  ["postgresql://h1,h2:5/d", /give each one its port/],
  ["postgresql://h:5/d?host=a,b", /give each one its port/],
  ["postgresql://[::1],h2/d", /begins a list of hosts with "\["/],
  ["postgresql://[::1]:5,[::2]:5/d", /begins a list of hosts with "\["/],
  ["postgresql://h%61/d", /"%" in a host/],
  ["postgresql://[fe80::1%25eth0]/d", /"%" in a host/],
  ["postgresql+psycopg://%2Ftmp/d", /"%" in a host/],
  ["postgresql://h/d?a%20b=1", /does not know: number 1$/],
  ["postgresql://h/d?password=half&secret=x", /does not know: number 2$/],
])("%s is refused", (url, fault) => {
  const faults = faultsOf(url);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(fault);
  expect(faults[0]).not.toContain("secret");
});

test("faults of the hosts and of the query are told together", () => {
  expect(faultsOf("postgresql://h:1:2/d?a&b=")).toHaveLength(3);
});

const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\0"));

test("whatever is percent-encoded comes back as it was", () => {
  fc.assert(
    fc.property(name, name, name, (user, password, database) => {
      const [u, p, d] = [user, password, database].map(encodeURIComponent);
      expect(read(`postgresql://${u}:${p}@h:1/${d}?application_name=${u}`)).toEqual({
        user,
        password,
        host: "h",
        port: "1",
        dbname: database,
        application_name: user,
      });
    }),
  );
});

test("no fault repeats the password, wherever it was cut", () => {
  const marked = fc
    .array(fc.constantFrom("@", "/", "?", "#", ":", "%", "&", "=", "+", " ", "[", ",", "S3kr1t"))
    .map((pieces) => ["S3kr1t", ...pieces, "S3kr1t"].join(""));
  const url = fc.oneof(
    marked.map((secret) => `postgresql://u:${secret}@h/d`),
    marked.map((secret) => `postgresql://h/d?password=${secret}`),
    marked.map((secret) => `${secret}://u:${secret}@h`),
    marked,
  );
  fc.assert(
    fc.property(url, (text) => {
      const reading = parseConnectionUrl(text);
      if (reading.kind === "faults") expect(reading.faults.join("\n")).not.toContain("S3kr1t");
    }),
  );
});

test("any text at all is read or refused, never thrown at", () => {
  fc.assert(
    fc.property(fc.string(), (rest) => {
      expect(["parameters", "faults"]).toContain(parseConnectionUrl(`postgres://${rest}`).kind);
    }),
  );
});

function read(url: string): Record<string, string> {
  const reading = parseConnectionUrl(url);
  if (reading.kind === "faults") throw new Error(reading.faults.join("\n"));
  return Object.fromEntries(reading.parameters);
}

function faultsOf(url: string): readonly string[] {
  const reading = parseConnectionUrl(url);
  return reading.kind === "faults" ? reading.faults : [];
}
