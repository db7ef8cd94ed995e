import { tmpdir } from "node:os";
import { preflight, type Said } from "../support/in-process.ts";
import type { TestServer } from "../support/postgres.ts";
import { dataAt, extraIndex, groundOf, type Ground } from "./build.ts";
import { type Expectation, expectationOf } from "./expectation.ts";
import { type CaseDatabase, createCase, quoted } from "./ground.ts";
import { type Lines, namedSchemas, type ProofImage, snapshotOf } from "./image.ts";
import { readNeighbour, readPicture } from "./snapshot.sql.ts";
import { proofTools } from "./tool.ts";
import { violationsOf, type Violation } from "./violations.ts";
import type { World } from "./world.ts";

/** What a case can be judged by, from the database itself. */
export type Sight = {
  readonly schema: Lines;
  /** What the version rows claim. */
  readonly rows: readonly string[];
  /** How often the journal says that each revision ran. */
  readonly journal: ReadonlyMap<string, number>;
  readonly neighbours: string;
  /** Everything that a write could change. */
  readonly picture: string;
};

export type Played = {
  readonly expectation: Expectation;
  readonly said: readonly Said[];
  readonly violations: readonly Violation[];
};

/** Makes the world, starts the program twice, and compares. */
export async function playCase(
  server: TestServer,
  image: ProofImage,
  world: World,
): Promise<Played> {
  const ground = groundOf(world, image.history);
  const database = await createCase(server, ground.role);
  try {
    await database.run(ground.setup(database.name));
    if (world.state === "interrupted") await start();
    const before = await sightOf(database, ground, world, image);
    const expectation = expectationOf(world, image, before.schema);
    const first = await start();
    const between = await sightOf(database, ground, world, image);
    const second = await start();
    const after = await sightOf(database, ground, world, image);
    const violations = violationsOf({
      world,
      image,
      expectation,
      said: [first, second],
      sights: [before, between, after],
      ranBefore: dataAt(world),
    });
    return { expectation, said: [first, second], violations };
  } finally {
    await database.drop();
  }

  async function start(): Promise<Said> {
    const url = new URL(server.url);
    url.username = encodeURIComponent(ground.role);
    url.pathname = database.name;
    const env = {
      ...ground.env,
      PATH: process.env["PATH"] ?? "",
      HOME: tmpdir(),
      DATABASE_URL: `${url.href}${ground.query}`,
    };
    const cwd = image.directories.get(world.ledger) ?? "";
    return await preflight(["run", "--timeout", "20s", "--lock-timeout", "0", ...ground.flags], {
      cwd,
      env,
    });
  }
}

async function sightOf(
  database: CaseDatabase,
  { versionTable, neighbours }: Ground,
  { homeName }: World,
  { history }: ProofImage,
): Promise<Sight> {
  const { run } = database;
  const tool = proofTools[history.tool];
  const others = namedSchemas(history).filter((schema) => schema !== homeName);
  const table = `${quoted(versionTable.schema)}.${quoted(versionTable.name)}`;
  const schema = await snapshotOf(database, homeName, others);
  const times = history.journal === "keyed" ? "times" : "count(*)";
  const group = history.journal === "keyed" ? "" : " GROUP BY revision";
  const rows = await ifThere(run, table, `SELECT ${tool.column} AS version FROM %s ORDER BY 1`);
  const ran = await ifThere(
    run,
    `${quoted(homeName)}.ran`,
    `SELECT revision, ${times} AS times FROM %s${group}`,
  );
  return {
    schema: schema.filter((line) => !line.includes(extraIndex)),
    rows: tool.claimed(
      rows.map((row) => String(row["version"])),
      history,
    ),
    journal: new Map(ran.map((row) => [String(row["revision"]), Number(row["times"])])),
    neighbours: JSON.stringify(await run(readNeighbour(neighbours.schemas, neighbours.tables))),
    picture: JSON.stringify(await run(readPicture)),
  };
}

async function ifThere(
  run: CaseDatabase["run"],
  table: string,
  query: string,
): Promise<readonly Record<string, unknown>[]> {
  const [found] = await run(`SELECT to_regclass('${table}') AS oid`);
  return found?.["oid"] === null ? [] : await run(query.replace("%s", table));
}
