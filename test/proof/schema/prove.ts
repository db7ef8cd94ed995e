import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { preflight, type Said } from "../../support/in-process.ts";
import { dumpAndRestore } from "../../support/pg-dump.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";
import type { Dimensions } from "../tally.ts";
import { rowsOfUsers } from "./extras.ts";
import { type Answer, kindNames } from "./kinds.ts";
import {
  answerOf,
  anySchema,
  anySchemaWorld,
  describeSchemaWorld,
  extraGroups,
  type Major,
  majors,
  type RichSchema,
  type SchemaWorld,
} from "./world.ts";

/** THE table of what this proof varies. */
export const schemaDimensions = {
  made: majors.map(String),
  restored: majors.map(String),
  home: ["public", "app"],
  rows: ["there", "gone"],
  altered: kindNames,
  added: Object.keys(extraGroups),
  right: ["nothing", "said", "drift"],
} as const satisfies Dimensions;

/** The kinds that a case has. */
export function kindsOfSchema({
  schema,
  world,
  answer,
}: SchemaReport): Readonly<Record<keyof typeof schemaDimensions, readonly string[]>> {
  return {
    made: [String(schema.made)],
    restored: world.isRestored ? [String(schema.restored)] : [],
    home: [schema.home],
    rows: [world.hasRows ? "there" : "gone"],
    altered: world.alterations.map(({ kind }) => kind),
    added: world.extra === null ? [] : [world.extra.group],
    right: [answer],
  };
}

/** A schema is baked once and met by so many worlds. */
export const worldsEach = 40;

export type SchemaReport = {
  readonly number: number;
  readonly schema: RichSchema;
  readonly world: SchemaWorld;
  readonly description: string;
  readonly answer: Answer;
  readonly said: Said;
  /** What is wrong with it; null: nothing. */
  readonly wrong: string | null;
};

export type ProveSchemasOptions = {
  readonly seed: number;
  readonly numbers: readonly number[];
  /** Only cases whose description has this text. */
  readonly about?: string;
  readonly jobs: number;
  readonly onCase: (report: SchemaReport) => void;
  /** A case that could not be made, or a schema that could not be baked or restored. */
  readonly onTrouble: (what: string, error: unknown) => void;
};

/** One server of each major version, started when it is first needed. */
export class Servers {
  readonly #started = new Map<Major, Promise<TestServer>>();

  async of(major: Major): Promise<TestServer> {
    const settings = ["autovacuum = off", "max_connections = 100", "jit = off"];
    const found = this.#started.get(major) ?? startServer({ major: String(major), settings });
    this.#started.set(major, found);
    return await found;
  }

  async stop(): Promise<void> {
    for (const server of this.#started.values()) await (await server).stop();
  }
}

/** Cases of a seed: the same number is the same case, whichever of them run. */
export async function proveSchemas(servers: Servers, options: ProveSchemasOptions): Promise<void> {
  const { seed, numbers, about = "", jobs, onTrouble } = options;
  const groups = [...Map.groupBy(numbers, (number) => Math.floor(number / worldsEach))];
  for (const [group, members] of groups) {
    const ownSeed = seed * 100_003 + group;
    const [schema] = fc.sample(fc.noBias(anySchema), { seed: ownSeed, numRuns: 1 });
    const worlds = fc.sample(fc.noBias(anySchemaWorld(schema!)), {
      seed: ownSeed,
      numRuns: worldsEach,
    });
    const queue = members
      .map((number) => ({ number, world: worlds[number % worldsEach]! }))
      .filter(({ world }) => describeSchemaWorld(world, schema!).includes(about));
    if (queue.length === 0) continue;
    try {
      const ground = await prepare(servers, schema!);
      await Promise.all(Array.from({ length: jobs }, async () => await work(ground, queue)));
      await ground.remove();
    } catch (error) {
      onTrouble(`the schema of case ${members[0]} and its like: ${describe(schema!)}`, error);
    }
  }

  async function work(
    ground: Ground,
    queue: { readonly number: number; readonly world: SchemaWorld }[],
  ): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { number, world } = next;
      const description = describeSchemaWorld(world, ground.schema);
      try {
        const played = await play(ground, world);
        options.onCase({ ...played, number, world, description, schema: ground.schema });
      } catch (error) {
        onTrouble(`case ${number}: ${description}`, error);
      }
    }
  }
}

function describe({ baked, made, restored, objects }: RichSchema): string {
  return `baked on ${baked}, made on ${made}, restored on ${restored}: ${objects.map(({ kind }) => kind).join(", ")}`;
}

/** An image with its ledger, and the two databases that every world of it begins as. */
type Ground = {
  readonly schema: RichSchema;
  readonly directory: string;
  readonly made: Template;
  readonly restored: Template;
  readonly remove: () => Promise<void>;
};

type Template = { readonly server: TestServer; readonly url: string };

async function prepare(servers: Servers, schema: RichSchema): Promise<Ground> {
  const [scratch, server, other] = await Promise.all(
    [schema.baked, schema.made, schema.restored].map(async (major) => await servers.of(major)),
  );
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-schema-"));
  mkdirSync(path.join(directory, "migrations"));
  for (const [at, text] of schema.files.entries())
    writeFileSync(path.join(directory, `migrations/00${at + 1}_part.sql`), text);
  const say = async (argv: readonly string[], url = ""): Promise<void> => {
    const { exit, line, log } = await preflight(argv, { cwd: directory, env: environment(url) });
    if (exit !== 0)
      throw new Error(`${argv[0]} ended with ${exit}: ${line.reason}\n${log.join("\n")}`);
  };
  await say(["bake", "--scratch-url", scratch!.url]);
  const made = { server: server!, url: await server!.createDatabase() };
  if (schema.home === "app") await server!.sql(made.url, "CREATE SCHEMA app");
  await say(["run"], inHome(made.url, schema));
  await server!.sql(made.url, `SET search_path = ${schema.home}; ${rowsOfUsers}`);
  const restored = { server: other!, url: await other!.createDatabase() };
  await dumpAndRestore(String(schema.made), made.url, restored.url, { withOwners: true });
  return {
    schema,
    directory,
    made,
    restored,
    remove: async () => {
      for (const each of [made, restored]) await drop(each.server, nameOf(each.url));
      rmSync(directory, { recursive: true });
    },
  };
}

function environment(url: string): Readonly<Record<string, string>> {
  const there = url === "" ? {} : { DATABASE_URL: url };
  return { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), ...there };
}

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

/** The address that leads to the home. */
function inHome(url: string, { home }: RichSchema): string {
  return home === "public" ? url : `${url}?options=-csearch_path%3D${home}`;
}

async function drop(server: TestServer, name: string): Promise<void> {
  await server.sql(server.url, `DROP DATABASE "${name}" WITH (FORCE)`);
}

async function play(
  { schema, directory, made, restored }: Ground,
  world: SchemaWorld,
): Promise<Pick<SchemaReport, "answer" | "said" | "wrong">> {
  const { server, url } = world.isRestored ? restored : made;
  const name = `world_${randomBytes(6).toString("hex")}`;
  await server.sql(server.url, `CREATE DATABASE ${name} TEMPLATE "${nameOf(url)}"`);
  const copy = new URL(url);
  copy.pathname = name;
  try {
    const { home } = schema;
    for (const { sql } of world.alterations)
      await server.sql(copy.href, `SET search_path = ${home}; ${sql}`);
    if (world.extra !== null)
      await server.sql(copy.href, `SET search_path = ${home}; ${world.extra.sql}`);
    if (!world.hasRows) await server.sql(copy.href, `DROP TABLE ${home}.preflight_migrations`);
    const env = environment(inHome(copy.href, schema));
    const said = await preflight(["check", "--verbose"], { cwd: directory, env });
    const answer = answerOf(world, schema);
    return { answer, said, wrong: faultOf(answer, world, said) };
  } finally {
    await drop(server, name);
  }
}

/** @returns null: it is right */
function faultOf(answer: Answer, world: SchemaWorld, { exit, line }: Said): string | null {
  const isUntouched = world.alterations.length === 0 && world.extra === null;
  const seen = `${exit} ${line.verdict}`;
  if (!world.hasRows) {
    // What is not there may also be a migration that was not finished.
    if (answer === "said") return null;
    if (answer === "drift") return exit === 0 ? `false ready: ${seen}, without rows` : null;
    return exit === 0 ? null : `false alarm: ${seen}, without rows`;
  }
  const right = answer === "drift" ? 20 : 0;
  if (exit !== right)
    return `${exit === 0 ? "false ready" : answer === "drift" ? "another answer" : "false alarm"}: ${seen} instead of ${right}`;
  if (isUntouched && line.verdict !== "current") return `a difference where none is: ${seen}`;
  const seenOf = (line.drift?.missing ?? 0) + (line.drift?.changed ?? 0);
  if (answer === "said" && seenOf === 0) return "nothing was said of it";
  return null;
}
