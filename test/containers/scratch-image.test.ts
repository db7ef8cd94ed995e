import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { startServer } from "../support/postgres.ts";
import { type Ended, expectLine, programs, start, type Started } from "../support/process.ts";
import { buildImage, docker, ensureImages, mustDocker } from "./support/engine.ts";
import { copyImage, ensurePodEngine, podman } from "./support/pods.ts";

const ours = ["ps", "--all", "--quiet", "--filter", "label=dev.preflight.bake"];
const image = "postgres:18";

it("docker: the ledger is the one of another server of this major, and nothing is left", async () => {
  await ensureImages([image]);
  const server = await startServer({ major: "18" });
  onTestFinished(server.stop);
  const cwd = history("CREATE EXTENSION citext; CREATE TABLE t (a citext DEFAULT 'x' || 'y')");
  const volumes = await mustDocker(["volume", "ls", "--quiet"]);
  const ended = await bake(cwd, ["--scratch-image", image]);
  expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
  expect(ended.stderr).toContain('"engine":"docker"');
  const fromImage = ledgerOf(cwd);
  expect(await mustDocker(ours)).toBe("");
  expect(await mustDocker(["volume", "ls", "--quiet"])).toBe(volumes);
  rmSync(path.join(cwd, "preflight.ledger.json"));
  expect(expectLine(await bake(cwd, ["--scratch-url", server.url]))).toMatchObject({ exit: 0 });
  expect(ledgerOf(cwd)).toBe(fromImage);
});

it.each(["SIGTERM", "SIGINT", "SIGKILL"] as const)(
  "%s while it starts and while it works leaves no container and no volume",
  async (signal) => {
    await ensureImages([image]);
    const volumes = await mustDocker(["volume", "ls", "--quiet"]);
    for (const moment of ['"starting a throw-away server"', '"scratch server"']) {
      const cwd = history("CREATE TABLE t (a int)", "SELECT pg_sleep(600)");
      const run = startBake(cwd, ["--scratch-image", image]);
      await run.says(moment);
      await sleep(500);
      run.child.kill(signal);
      await run.ended;
      await vi.waitFor(
        async () => {
          expect(await mustDocker(ours)).toBe("");
          expect(await mustDocker(["volume", "ls", "--quiet"])).toBe(volumes);
        },
        { timeout: 30_000, interval: 500 },
      );
    }
  },
);

it("an image with a superuser of its own keeps it, and an extension of its own is there", async () => {
  await ensureImages([image]);
  const context = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
  writeFileSync(
    path.join(context, "Dockerfile"),
    `FROM ${image}
ENV POSTGRES_USER=platform_admin
RUN there=$(dirname $(find /usr -name citext.control)) \\
    && echo "default_version = '1'" > $there/of_image.control && touch $there/of_image--1.sql
CMD ["postgres", "-c", "application_name=of-the-image"]
`,
  );
  await buildImage("preflight-test-extension", context);
  const cwd = history("CREATE EXTENSION of_image", "CREATE TABLE t (a int)");
  const ended = await bake(cwd, ["--scratch-image", "preflight-test-extension"]);
  expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
  expect(ledgerOf(cwd)).toContain('["extension","of_image"');
  await docker(["image", "rm", "preflight-test-extension"]);
});

it("podman: the same", async () => {
  await ensureImages([image]);
  await ensurePodEngine();
  await copyImage(image);
  const cwd = history("CREATE TABLE t (a int)");
  const env = { CONTAINERS_CONF: path.resolve("node_modules/.cache/containers.conf") };
  const ended = await bake(cwd, ["--scratch-image", image], {
    ...env,
    DOCKER_HOST: "unix:///nowhere",
  });
  expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
  expect(ended.stderr).toContain('"engine":"podman"');
  expect((await podman(ours)).stdout).toBe("");
});

it("says why there is no server", async () => {
  await ensureImages([image, "debian:bookworm-slim"]);
  const cwd = history("CREATE TABLE t (a int)");
  const reasonOf = async (name: string, env = {}): Promise<unknown> => {
    const { exit, reason } = expectLine(await bake(cwd, ["--scratch-image", name], env));
    return { exit, reason };
  };
  expect(await reasonOf("localhost:1/nowhere/nothing:1")).toEqual({
    exit: 66,
    reason: expect.stringMatching(
      /^docker does not have the image localhost:1\/nowhere\/nothing:1 and cannot pull it: .*connection refused/,
    ),
  });
  expect(await reasonOf("debian:bookworm-slim")).toEqual({
    exit: 66,
    reason: expect.stringContaining("debian:bookworm-slim does not start as PostgreSQL's"),
  });
  const context = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
  writeFileSync(path.join(context, "Dockerfile"), "FROM scratch\nLABEL nothing=in-it\n");
  await buildImage("preflight-test-nothing", context);
  expect(await reasonOf("preflight-test-nothing")).toEqual({
    exit: 66,
    reason: expect.stringContaining(
      "docker cannot start a container of the image preflight-test-nothing: ",
    ),
  });
  await docker(["image", "rm", "preflight-test-nothing"]);
  expect(await reasonOf(image, { PATH: "/nowhere" })).toEqual({
    exit: 66,
    reason: expect.stringContaining("neither docker nor podman is on the PATH"),
  });
  const away = { DOCKER_HOST: "tcp://docker:2375", CONTAINER_HOST: "ssh://root@podman/run/socket" };
  expect(await reasonOf(image, away)).toEqual({
    exit: 66,
    reason: expect.stringContaining(
      "docker: its engine is on another machine (docker); podman: its engine is on another machine (podman)",
    ),
  });
  expect(await mustDocker(ours)).toBe("");
});

function history(...texts: readonly string[]): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-scratch-image-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (const [index, text] of texts.entries())
    writeFileSync(path.join(cwd, `migrations/00${index + 1}_file.sql`), `${text};\n`);
  return cwd;
}

function ledgerOf(cwd: string): string {
  return readFileSync(path.join(cwd, "preflight.ledger.json"), "utf8");
}

function startBake(
  cwd: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Started {
  const { PATH = "", HOME = "" } = process.env;
  return start([...programs.binary, "bake", ...words], { cwd, env: { PATH, HOME, ...env } });
}

async function bake(...words: Parameters<typeof startBake>): Promise<Ended> {
  return await startBake(...words).ended;
}
