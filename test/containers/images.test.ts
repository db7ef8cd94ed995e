import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { version } from "../../src/version.ts";
import {
  bakeIn,
  buildApplication,
  copyLine,
  lineOf,
  removeImages,
  ticketsContext,
} from "./support/application.ts";
import {
  docker,
  ensureImages,
  ensurePreflightImages,
  mustDocker,
  type Ran,
} from "./support/engine.ts";
import { type Database, startDatabase } from "./support/postgres.ts";

/** How each base takes Preflight. */
const bases = {
  "debian:bookworm-slim": [copyLine],
  "ubi-like": [copyLine],
  "distroless-like": [copyLine],
  "alpine:3": ["COPY --from=preflight /musl/ /usr/local/"],
  "node:24-slim": ["COPY --chmod=0555 preflight.mjs /usr/local/bin/preflight"],
} as const satisfies Record<string, readonly string[]>;
type Base = keyof typeof bases;

/** What a careful platform takes away; besides, the bases have no /tmp or none that can be written. */
const confined =
  "--user 54321:0 --read-only --cap-drop ALL --security-opt no-new-privileges --memory 128m --memory-swap 128m".split(
    " ",
  );

let database: Database;
/** The whole history; its first three files alone, as an older release; and the whole with megabytes more. */
let contexts: Record<"new" | "old" | "large" | "huge", string>;
const images: string[] = [];

beforeAll(async () => {
  await ensureImages(Object.keys(bases));
  await ensurePreflightImages();
  database = await startDatabase();
  contexts = {
    new: await ticketsContext(),
    old: await ticketsContext(["004", "005", "006"]),
    large: await ticketsContext(),
    huge: await ticketsContext(),
  };
  for (const [history, megabytes] of [
    ["large", 1],
    ["huge", 5],
  ] as const) {
    const file = path.join(contexts[history], "migrations/007_fill_log.sql");
    writeFileSync(file, fill(megabytes));
    await bakeIn(contexts[history]);
  }
  // Another user's container reads them.
  for (const context of Object.values(contexts)) chmodSync(context, 0o755);
});

afterAll(async () => {
  await database?.stop();
  await removeImages(images);
});

/** A file of many statements, which is what takes the most memory. */
function fill(megabytes: number): string {
  const statement = `INSERT INTO log VALUES ('${"an entry of the log ".repeat(5)}');\n`;
  const count = Math.ceil((megabytes * 1_000_000) / statement.length);
  return `CREATE TABLE log (entry text);\n${statement.repeat(count)}`;
}

async function build(base: Base, history: keyof typeof contexts): Promise<string> {
  const name = `${base.replaceAll(/\W/g, "-")}-${history}`;
  const tag = await buildApplication(name, contexts[history], [
    `FROM ${base}`,
    "WORKDIR /app",
    "COPY migrations migrations",
    "COPY preflight.ledger.json ./",
    ...bases[base],
    'ENTRYPOINT ["preflight", "run", "--"]',
    'CMD ["preflight", "--version"]',
  ]);
  images.push(tag);
  return tag;
}

/** Runs a container to its end; being out of memory is an end of its own. */
async function run(
  image: string,
  url: string,
  words: readonly string[] = [],
  command: readonly string[] = [],
): Promise<Ran> {
  const at = ["--network", database.network, "--env", `DATABASE_URL=${url}`];
  const container = await mustDocker(["create", ...confined, ...at, ...words, image, ...command]);
  try {
    const ran = await docker(["start", "--attach", container]);
    const format = "{{.State.OOMKilled}}";
    const outOfMemory = await mustDocker(["inspect", "--format", format, container]);
    if (outOfMemory !== "false") throw new Error(`out of memory: ${ran.stdout}${ran.stderr}`);
    return ran;
  } finally {
    await mustDocker(["rm", "--volumes", container]);
  }
}

describe.each(Object.keys(bases) as Base[])("on %s", (base) => {
  it("fresh, then behind, then current: confined, and the application starts each time", async () => {
    const [older, newer] = [await build(base, "old"), await build(base, "new")];
    const url = await database.create();
    for (const [image, verdict, recordedAfter] of [
      [older, "fresh", "003"],
      [newer, "behind", "006"],
      [newer, "current", "006"],
      // A rollback of the image.
      [older, "ahead", "006"],
    ] as const) {
      const ran = await run(image, url);
      const line = lineOf(ran);
      expect(line, ran.stderr).toMatchObject({ exit: 0, verdict, ledger: "verified" });
      expect(line.recordedAfter).toEqual([recordedAfter]);
      expect(ran.stdout, "the application").toMatch(/^preflight \d+\.\d+\.\d+\n$/);
    }
  });
});

/** One with each C library, and Node. */
const different = ["debian:bookworm-slim", "alpine:3", "node:24-slim"] as const;

describe.each(different)("large files, on %s", (base) => {
  it("one of a megabyte in 128 MiB: parsed, applied, judged", async () => {
    const image = await build(base, "large");
    const url = await database.create();
    for (const verdict of ["fresh", "current"]) {
      const ran = await run(image, url);
      expect(lineOf(ran), ran.stderr).toMatchObject({ exit: 0, verdict, ledger: "verified" });
    }
    await database.sql(url, "ALTER TABLE log DROP COLUMN entry");
    const drifted = await run(image, url);
    expect(drifted.code, drifted.stderr).toBe(20);
    expect(drifted.stdout, "the application").toBe("");
  });

  it("one of five megabytes in 256 MiB", async () => {
    const image = await build(base, "huge");
    const words = ["--memory", "256m", "--memory-swap", "256m"];
    const ran = await run(image, await database.create(), words);
    expect(lineOf(ran), ran.stderr).toMatchObject({ exit: 0, verdict: "fresh" });
  });
});

describe("the carrier", () => {
  it("holds root's files, and its programs can be read and run by everybody and written by nobody", async () => {
    const files = await filesOf("preflight");
    const programs = files.filter(
      ({ name }) => name.endsWith("/preflight") && !name.endsWith("/lib/preflight"),
    );
    expect(programs.map(({ name, mode }) => `${mode} ${name}`)).toEqual([
      "-r-xr-xr-x /musl/bin/preflight",
      "-r-xr-xr-x /preflight",
    ]);
    for (const { name, mode, owner } of files) {
      expect(owner, name).toBe("0/0");
      expect(mode, name).not.toMatch(/^-.....w|^-.......w/);
      expect(mode, `no set-user-id: ${name}`).not.toMatch(/s/);
    }
  });

  it.each(["preflight", "preflight-job"])("says in labels what it is (%s)", async (image) => {
    const text = await mustDocker([
      "image",
      "inspect",
      "--format",
      "{{json .Config.Labels}}",
      image,
    ]);
    expect(JSON.parse(text)).toMatchObject({
      "org.opencontainers.image.title": image,
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.description": expect.stringMatching(/\w/),
    });
  });
});

describe("the image that runs by itself", () => {
  it("applies the files that are mounted, as a Job", async () => {
    const url = await database.create();
    const volumes = ["migrations", "preflight.ledger.json"].map(
      (name) => `--volume=${contexts.new}/${name}:/project/${name}:ro`,
    );
    for (const verdict of ["fresh", "current"]) {
      const ran = await run("preflight-job", url, volumes);
      expect(lineOf(ran), ran.stderr).toMatchObject({ exit: 0, verdict, recordedAfter: ["006"] });
    }
  });

  it("applies the files of an image made from it, and its default user is not root", async () => {
    const tag = await buildApplication("job", contexts.new, [
      "FROM preflight-job",
      "COPY migrations migrations",
      "COPY preflight.ledger.json ./",
    ]);
    images.push(tag);
    expect(await mustDocker(["image", "inspect", "--format", "{{.Config.User}}", tag])).toMatch(
      /^65532/,
    );
    const url = await database.create();
    const checked = await run(tag, url, [], ["check", "--exit-code"]);
    expect(checked.code, checked.stderr).toBe(30);
    expect(lineOf(await run(tag, url))).toMatchObject({ exit: 0, verdict: "fresh" });
  });
});

type File = { readonly mode: string; readonly owner: string; readonly name: string };

/** What an image brings itself: Docker adds empty files and directories to a container. */
async function filesOf(image: string): Promise<readonly File[]> {
  const container = await mustDocker(["create", image, "-"]);
  const archive = path.join(mkdtempSync(path.join(tmpdir(), "preflight-export-")), "image.tar");
  try {
    await mustDocker(["export", "--output", archive, container]);
  } finally {
    await mustDocker(["rm", container]);
  }
  const listed = execFileSync("tar", ["--numeric-owner", "-tvf", archive], { encoding: "utf8" });
  const files = listed
    .trim()
    .split("\n")
    .map((line) => {
      const [mode = "", owner = "", , , , name = ""] = line.split(/\s+/);
      return { mode, owner, name: `/${name}`.replace(/\/$/, "") };
    });
  const added = /^\/(?:dev|etc|proc|sys|\.dockerenv)(?:\/|$)/;
  return files.filter(({ name }) => !added.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}
