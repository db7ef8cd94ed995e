import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  buildApplication,
  copyLine,
  lineOf,
  removeImages,
  ticketsContext,
} from "./support/application.ts";
import { docker, ensureImages, ensurePreflightImages, type Ran } from "./support/engine.ts";
import { type Database, startDatabase } from "./support/postgres.ts";

const lines = [
  "FROM debian:bookworm-slim",
  "WORKDIR /app",
  "COPY migrations migrations",
  "COPY preflight.ledger.json ./",
  copyLine,
  'ENTRYPOINT ["preflight", "run", "--"]',
  'CMD ["echo", "at work"]',
];

let database: Database;
let pooler: StartedTestContainer;
/** The second one's last file builds an index CONCURRENTLY, which no transaction may do. */
let [image, withIndex] = ["", ""];

beforeAll(async () => {
  await ensureImages(["debian:bookworm-slim", "edoburu/pgbouncer"]);
  await ensurePreflightImages();
  database = await startDatabase();
  const { username, password } = new URL(await database.create());
  pooler = await new GenericContainer("edoburu/pgbouncer")
    .withNetworkMode(database.network)
    .withNetworkAliases("pooler")
    .withEnvironment({
      DB_HOST: "db",
      DB_USER: username,
      DB_PASSWORD: password,
      AUTH_TYPE: "scram-sha-256",
      POOL_MODE: "transaction",
      DEFAULT_POOL_SIZE: "4",
      ADMIN_USERS: username,
    })
    .withWaitStrategy(Wait.forLogMessage("process up"))
    .start();
  image = await buildApplication("pooled", await ticketsContext(["006"]), lines);
  withIndex = await buildApplication("pooled-index", await ticketsContext(), lines);
});

afterAll(async () => {
  await pooler?.stop();
  await database?.stop();
  await removeImages([image, withIndex].filter((name) => name !== ""));
});

async function run(name: string, url: string, more: readonly string[] = []): Promise<Ran> {
  const words = ["run", "--rm", "--network", database.network, "--env", `DATABASE_URL=${url}`];
  return await docker([...words, ...more, name]);
}

function through(url: string): string {
  const changed = new URL(url);
  changed.hostname = "pooler";
  return changed.href;
}

it("the pooler gives a server connection for one transaction", async () => {
  const url = new URL(through(await database.create()));
  url.pathname = "pgbouncer";
  const { output } = await pooler.exec(["psql", url.href, "-Atc", "SHOW CONFIG"]);
  expect(output).toMatch(/^pool_mode\|transaction\|/m);
});

it("fresh, then current, through the pooler", async () => {
  const url = await database.create();
  for (const verdict of ["fresh", "current"]) {
    const ran = await run(image, through(url));
    expect(lineOf(ran), ran.stderr).toMatchObject({ exit: 0, verdict, recordedAfter: ["005"] });
    expect(ran.stdout).toBe("at work\n");
  }
});

it("five at once through the pooler: one upgrades, and all start", async () => {
  const url = await database.create();
  const all = await Promise.all([1, 2, 3, 4, 5].map(() => run(image, through(url))));
  for (const ran of all) {
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toBe("at work\n");
  }
  const upgrades = all.filter((ran) => lineOf(ran).actions.length > 0);
  expect(upgrades).toHaveLength(1);
});

it("what needs a session of its own is refused before anything is done, and goes by a direct address", async () => {
  const url = await database.create();
  const refused = await run(withIndex, through(url));
  expect(refused.code, refused.stderr).toBe(78);
  expect(lineOf(refused).next.join()).toContain("PREFLIGHT_DATABASE_URL");
  expect(refused.stdout).toBe("");
  const words = ["--env", `PREFLIGHT_DATABASE_URL=${url}`];
  const started = await run(withIndex, through(url), words);
  expect(lineOf(started), started.stderr).toMatchObject({ exit: 0, recordedAfter: ["006"] });
});
