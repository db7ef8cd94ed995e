import { cpSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { verdictLine, type VerdictLine } from "../../src/report/verdict-schema.ts";
import { type Place, type } from "../support/terminal.ts";
import { ensureCompose } from "./compose/ensure-compose.ts";
import { playSessions } from "./compose/session.ts";
import { basesOf, docker, ensureImages, ensurePreflightImages, root } from "./support/engine.ts";

const document = path.join(root, "docs/compose.md");
const example = path.join(root, "examples/compose");
const images = ["guestbook:1", "guestbook:2"];
let PATH: string;
const places: Place[] = [];

beforeAll(async () => {
  await ensurePreflightImages();
  await ensureImages([...basesOf(path.join(example, "Dockerfile")), "postgres:18"]);
  PATH = await ensureCompose();
  await docker(["image", "rm", "--force", ...images]);
});

afterAll(async () => {
  for (const place of places) await type("docker compose down -v", place);
  await docker(["image", "rm", "--force", ...images]);
});

/** A copy of the example, as somebody has it who begins with it; nothing is left of a test that was killed. */
async function copyOf(project: string): Promise<Place> {
  const directory = mkdtempSync(path.join(tmpdir(), `${project}-`));
  cpSync(example, directory, { recursive: true });
  const place = { directory, env: { ...process.env, PATH, COMPOSE_PROJECT_NAME: project } };
  places.push(place);
  await type("docker compose down -v", place);
  return place;
}

it("docs/compose.md shows what is seen when its commands are typed", async () => {
  const place = await copyOf("guestbook");
  const text = readFileSync(document, "utf8");
  const played = await playSessions(text, async (command) => await type(command, place));
  await expect(played).toMatchFileSnapshot(document);
});

it("docs/compose.md quotes the example's files", () => {
  const quotes = [...readFileSync(document, "utf8").matchAll(/```(yaml|dockerfile)\n([^]*?)```/g)];
  expect(quotes.length).toBeGreaterThan(2);
  for (const [, kind, quote = ""] of quotes) {
    const file = kind === "yaml" ? "compose.yaml" : "Dockerfile";
    const lines = readFileSync(path.join(example, file), "utf8").split("\n");
    expect(lines).toEqual(expect.arrayContaining(quote.trimEnd().split("\n")));
  }
});

it("of five that start at once on an empty database, without the job, one migrates", async () => {
  const place = await copyOf("guestbook-five");
  const compose = async (words: string): Promise<string> => {
    const { exit, text } = await type(`docker compose ${words}`, place);
    expect(exit, `${words}:\n${text}`).toBe(0);
    return text;
  };
  await compose("up -d --no-deps --scale app=5 db app");
  await expect
    .poll(async () => verdictsIn(await compose("logs --no-log-prefix app")).length, {
      timeout: 90_000,
      interval: 1_000,
    })
    .toBe(5);

  const verdicts = verdictsIn(await compose("logs --no-log-prefix app"));
  expect(verdicts.map(({ outcome }) => outcome)).toEqual(Array(5).fill("ready"));
  const migrating = verdicts.filter(({ actions }) => actions.length > 0);
  expect(migrating.map(({ verdict }) => verdict)).toEqual(["fresh"]);
  for (const { recordedAfter } of verdicts) expect(recordedAfter).toEqual(["require_names"]);

  for (const index of [1, 2, 3, 4, 5])
    await type(
      `curl -s --fail --retry 9 --retry-all-errors $(docker compose port --index=${index} app 8000)/health`,
      place,
    ).then(({ text }) => expect(text, `replica ${index}`).toBe('"release 1"'));
});

function verdictsIn(log: string): readonly VerdictLine[] {
  return [...log.matchAll(/\{"v":1,.*\}/g)].map(([line]) => verdictLine.parse(JSON.parse(line)));
}
