import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Fact, withoutStorage } from "../../../src/core/facts.ts";
import { quoteIdentifier } from "../../../src/core/quote.ts";
import { factsQuery, pinSettings } from "../../../src/database/facts.sql.ts";
import { preflight, type Said } from "../../support/in-process.ts";
import { numberedExamples } from "../../support/numbered.ts";
import { startServer } from "../../support/postgres.ts";
import { pythonEnvironment } from "../../support/python.ts";
import type { Example } from "../../support/scenario.ts";
import {
  bakeExample,
  environment,
  makeDatabase,
  makeImage,
  type Shop,
} from "../../support/shop.ts";

/** A database at a revision, of which copies are made, and the image that goes with it. */
type Ground = { readonly name: string; readonly image: string; readonly template: string };

/** Of the examples, as their files have them. */
function revisionsOf(example: Example): readonly string[] {
  if (example === "shop")
    return [
      "create_customers",
      "create_orders",
      "add_trade_id",
      "fill_names",
      "add_order_status",
      "index_placed_at",
    ];
  const directory = path.join(root, "examples", example, numberedExamples[example].directory);
  return readdirSync(directory)
    .toSorted()
    .map((file) => file.replace(/_.*/, ""));
}

const root = path.join(import.meta.dirname, "../../..");

/** Rows in every table that is there by then. */
const rows = {
  shop: [
    "INSERT INTO customers (email, name) SELECT 'c' || n, 'n' FROM generate_series(1, 3) n",
    "INSERT INTO products (title, price) VALUES ('a', 1)",
    "INSERT INTO orders (customer_id, placed_at) SELECT id, now() FROM customers",
    "INSERT INTO transactions (order_id, amount) SELECT id, 2 FROM orders",
  ],
  tickets: [
    "INSERT INTO people (email) SELECT 'c' || n FROM generate_series(1, 3) n",
    "INSERT INTO tickets (person_id, subject) SELECT id, 'x' FROM people",
    "INSERT INTO messages (ticket_id, body) SELECT id, 'y' FROM tickets",
  ],
  notes: [],
} as const;

export type RepairGround = { readonly shop: Shop; readonly grounds: readonly Ground[] };

/** Every revision of the examples, and two schemas of nearly everything. */
export async function startRepairs(): Promise<RepairGround> {
  const server = await startServer();
  const python = await pythonEnvironment();
  const bake = async (example: Example): Promise<string> =>
    (await bakeExample(example, python, [], "cli")).ledger;
  const ledger = await bake("shop");
  const ledgers = { tickets: await bake("tickets"), notes: await bake("notes") };
  const shop = { server, python, ledger, ledgers };
  const grounds = [
    ...(await groundsOf(shop)),
    await richGround(shop, "torture", path.join(root, "test/database/torture.sql")),
    await richGround(shop, "structures", path.join(root, "test/servers/structures.sql")),
  ];
  return { shop, grounds };
}

/** Without rows and with rows. */
async function groundsOf(shop: Shop): Promise<readonly Ground[]> {
  const grounds: Ground[] = [];
  for (const example of ["shop", "tickets", "notes"] as const) {
    const image = makeImage(shop, { name: "", example });
    for (const at of revisionsOf(example))
      for (const isFilled of rows[example].length > 0 ? [false, true] : [false]) {
        const template = await makeDatabase(shop, { example, at });
        for (const sql of isFilled ? rows[example] : [])
          await shop.server.sql(template, sql).catch(() => {});
        const name = `${example} at ${at}${isFilled ? ", with rows" : ""}`;
        grounds.push({ name, image, template });
      }
  }
  return grounds;
}

/** A history of one file. */
async function richGround(shop: Shop, name: string, file: string): Promise<Ground> {
  const image = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
  mkdirSync(path.join(image, "migrations"));
  const text = readFileSync(file, "utf8").replace(/CREATE TEMPORARY TABLE.*\n/, "");
  writeFileSync(path.join(image, "migrations/001_all.sql"), text);
  const template = await shop.server.createDatabase();
  for (const command of ["bake", "run"]) {
    const said = await preflight([command], { cwd: image, env: environment(shop, template) });
    if (said.exit !== 0) throw new Error(`${command} of ${name}: ${said.stderr}`);
  }
  return { name, image, template };
}

export type RepairCase = {
  readonly number: number;
  readonly ground: string;
  /** What was removed. */
  readonly removed: readonly string[];
  readonly said: Said;
  /** Null: all is as it was, or what is not is named. */
  readonly wrong: string | null;
  readonly left: number;
};

/** Removes at random, repairs, and compares. */
export async function playRepair(
  { shop, grounds }: RepairGround,
  number: number,
): Promise<RepairCase> {
  const random = randomOf(number);
  const ground = grounds[Math.floor(random() * grounds.length)]!;
  const name = `repair_${randomBytes(6).toString("hex")}`;
  const { server } = shop;
  await server.sql(
    server.url,
    `CREATE DATABASE ${name} TEMPLATE ${new URL(ground.template).pathname.slice(1)}`,
  );
  const url = new URL(server.url);
  url.pathname = name;
  try {
    const before = await factsIn(shop, url.href);
    const removals = before.flatMap((fact) => removalOf(fact, before));
    const many = random() < 0.3 ? 12 : 3;
    const chosen = Array.from(
      { length: 1 + Math.floor(random() * many) },
      () => removals[Math.floor(random() * removals.length)]!,
    );
    const removed: string[] = [];
    for (const sql of chosen)
      await server.sql(url.href, sql).then(
        () => removed.push(sql),
        () => {},
      );
    const held = await rowsIn(shop, url.href);
    const after = await factsIn(shop, url.href);
    const everything = before
      .filter(({ kind }) => kind === "table" || kind === "partition" || kind === "column")
      .map((fact) => (fact.name === "" ? fact.object : `${fact.object}.${fact.name}`));
    const flags = ["--accept-empty", everything.join(";")];
    const place = { cwd: ground.image, env: environment(shop, url.href) };
    const printed = await preflight(["repair", ...flags], place);
    const said = await preflight(["repair", "--apply", ...flags], place);
    const now = await factsIn(shop, url.href);
    const wrong =
      faultOfFacts(before, after, now, printed, said) ??
      faultOfRows(held, await rowsIn(shop, url.href));
    const left = leftIn(printed).length;
    return { number, ground: ground.name, removed, said, wrong, left };
  } finally {
    await server.sql(server.url, `DROP DATABASE ${name} WITH (FORCE)`);
  }
}

function leftIn({ stdout, line }: Said): readonly string[] {
  const inScript = stdout.split("\n").filter((each) => each.startsWith("--   "));
  return inScript.length > 0 || line.exit !== 20 ? inScript : [line.reason ?? ""];
}

function faultOfFacts(
  wanted: readonly Fact[],
  lost: readonly Fact[],
  now: readonly Fact[],
  printed: Said,
  said: Said,
): string | null {
  const [have, had] = [keysOf(now), keysOf(lost)];
  const taken = lost.filter((fact) => !have.has(keyOf(fact)) && wantedHas(fact));
  if (taken.length > 0) return `TAKEN AWAY ${taken.map(keyOf).join(" | ")}`;
  const missing = wanted.filter((fact) => isCompared(fact) && !have.has(keyOf(fact)));
  const all = keysOf(wanted);
  const added = now.filter(
    (fact) => isCompared(fact) && !all.has(keyOf(fact)) && !had.has(keyOf(fact)),
  );
  const off = [...missing, ...added];
  if (said.exit === 0) return off.length === 0 ? null : `SAID READY ${off.map(keyOf).join(" | ")}`;
  if (said.exit !== 20) return `EXIT ${said.exit}: ${said.line.reason}`;
  const left = leftIn(printed).join("\n") + (said.line.reason ?? "");
  if (off.length === 0) return `SAID LEFT, and nothing is: ${left}`;
  const unsaid = off.filter((fact) => !left.includes(fact.object.replace(/^public\./, "")));
  return unsaid.length === 0 ? null : `LEFT UNSAID ${unsaid.map(keyOf).join(" | ")}`;

  function wantedHas(fact: Fact): boolean {
    return isCompared(fact) && keysOf(wanted).has(keyOf(fact));
  }
}

/** A column that is added again is the last. */
function isCompared({ kind }: Fact): boolean {
  return kind !== "colorder";
}

function keysOf(facts: readonly Fact[]): ReadonlySet<string> {
  return new Set(facts.map(keyOf));
}

function keyOf(fact: Fact): string {
  const { kind, object, name, definition } = withoutStorage(fact);
  return `${kind} ${object} ${name} ${definition}`;
}

async function factsIn(shop: Shop, url: string): Promise<readonly Fact[]> {
  const found = await shop.server.sql(
    url,
    `${pinSettings} ${factsQuery({ scope: null, ignoreSchemas: ["preflight", "supabase_migrations"] })}
     SELECT k AS kind, o AS object, n AS name, d AS definition FROM facts ORDER BY k, o, n COLLATE "C"`,
  );
  return (found as unknown as readonly Fact[]).filter(isOfHistory);
}

/** A platform's own schemas are nobody's history. */
function isOfHistory({ kind, object }: Fact): boolean {
  return (
    /^(?:public|"Odd schema")\./.test(object) ||
    (kind === "schema" && object === "Odd schema") ||
    (kind === "trigger" && object === "auth.users")
  );
}

/** Of each table: its columns, and every row of them. */
type Rows = ReadonlyMap<string, readonly Record<string, unknown>[]>;

async function rowsIn(shop: Shop, url: string): Promise<Rows> {
  const tables = await shop.server.sql(
    url,
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'preflight')`,
  );
  const held = new Map<string, readonly Record<string, unknown>[]>();
  for (const { name } of tables)
    held.set(
      String(name),
      (await shop.server.sql(url, `SELECT to_jsonb(t) AS row FROM ${String(name)} t`)).map(
        ({ row }) => row as Record<string, unknown>,
      ),
    );
  return held;
}

function faultOfRows(before: Rows, after: Rows): string | null {
  for (const [table, rows] of before) {
    const now = after.get(table);
    if (now === undefined) return `TABLE GONE ${table}`;
    const columns = Object.keys(rows[0] ?? {});
    const pick = (row: Record<string, unknown>): string =>
      JSON.stringify(columns.map((column) => row[column]));
    const [then, there] = [rows.map(pick).sort(), now.map(pick).sort()];
    if (then.join() !== there.join())
      return `ROWS OF ${table}: ${then.join()} became ${there.join()}`;
  }
  return null;
}

/** What takes a fact away. */
function removalOf(fact: Fact, all: readonly Fact[]): readonly string[] {
  const { kind, object, name, definition } = fact;
  const quoted = quoteIdentifier(name);
  const relation = all.find(
    (each) =>
      each.object === object &&
      each.name === "" &&
      /^(?:table|partition|ftable|view|matview|type)$/.test(each.kind),
  );
  const schema = /^("(?:[^"]|"")*"|[^".]+)\./.exec(object)?.[1] ?? "";
  switch (kind) {
    case "table":
    case "partition":
      // A partition below another one has served, and may go.
      if (object === "public.measures_low") return [];
      return [
        `DROP TABLE ${object} CASCADE`,
        ...(definition.includes(" RLS")
          ? [`ALTER TABLE ${object} DISABLE ROW LEVEL SECURITY`]
          : []),
      ];
    case "view":
      return [`DROP VIEW ${object} CASCADE`];
    case "matview":
      return [`DROP MATERIALIZED VIEW ${object} CASCADE`];
    case "column":
      if (relation?.kind !== "table") return [];
      return [
        `ALTER TABLE ${object} DROP COLUMN ${quoted} CASCADE`,
        ...(definition.includes(" DEFAULT ")
          ? [`ALTER TABLE ${object} ALTER ${quoted} DROP DEFAULT`]
          : []),
        ...(definition.includes(" IDENTITY ")
          ? [`ALTER TABLE ${object} ALTER ${quoted} DROP IDENTITY`]
          : []),
      ];
    case "constraint":
      return [`ALTER TABLE ${object} DROP CONSTRAINT ${quoted} CASCADE`];
    case "index":
      return [`DROP INDEX ${schema}.${quoted} CASCADE`];
    case "trigger":
    case "policy":
    case "rule":
      return [`DROP ${kind.toUpperCase()} ${quoted} ON ${object} CASCADE`];
    case "sequence":
      return [`DROP SEQUENCE ${object} CASCADE`, `ALTER SEQUENCE ${object} OWNED BY NONE`];
    case "enum":
    case "domain":
    case "type":
      return [`DROP TYPE ${object} CASCADE`];
    case "function":
    case "procedure":
      return [`DROP ROUTINE ${object} CASCADE`];
    case "statistics":
      return [`DROP STATISTICS ${object}`];
    case "comment":
      return name === ""
        ? [`COMMENT ON TABLE ${object} IS NULL`]
        : [`COMMENT ON COLUMN ${object}.${quoted} IS NULL`];
    case "schema":
      return object === "public" ? [] : [`DROP SCHEMA ${quoteIdentifier(object)} CASCADE`];
    default:
      return [];
  }
}

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
