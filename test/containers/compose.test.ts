import { cpSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ensureCompose } from "./compose/ensure-compose.ts";
import { playSessions } from "./compose/session.ts";
import { type } from "./compose/terminal.ts";
import { ensureImages, root } from "./support/engine.ts";

const document = path.join(root, "docs/compose.md");
const example = path.join(root, "examples/compose");
let directory: string;
let env: Record<string, string | undefined>;

beforeAll(async () => {
  // await ensurePreflightImages();
  await ensureImages(["python:3.11-slim", "postgres:18"]);
  directory = mkdtempSync(path.join(tmpdir(), "guestbook-"));
  cpSync(example, directory, { recursive: true });
  env = { ...process.env, PATH: await ensureCompose() };
});

afterAll(async () => {
  if (env !== undefined) await type("docker compose down -v", { directory, env });
});

it("what docs/compose.md shows is what is seen", async () => {
  const played = await playSessions(readFileSync(document, "utf8"), async (command) => {
    const began = Date.now();
    const seen = await type(command, { directory, env });
    console.log(`$ ${command}\n${seen.text}`, Date.now() - began);
    return seen;
  });
  await expect(played).toMatchFileSnapshot(document);
});
