import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createRole, withUrl } from "../support/databases.ts";
import { startServer } from "../support/postgres.ts";
import { type Ended, programs, start } from "../support/process.ts";
import { needProgram } from "../support/programs.ts";
import { pythonEnvironment } from "../support/python.ts";
import { bakeExample, environment, makeDatabase, type Shop } from "../support/shop.ts";

const file = "examples/github-actions/migrations.yaml";

type Step = {
  readonly id?: string;
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
};
type Job = {
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
};
type Workflow = {
  readonly defaults: { readonly run: { readonly shell: string } };
  readonly permissions: unknown;
  readonly jobs: { readonly "pull-request": Job; readonly staging: Job };
};

const workflow = parse(readFileSync(file, "utf8")) as Workflow;

let shop: Shop;
/** Each example with its ledger. */
const baked: Record<string, string> = {};

beforeAll(async () => {
  await needProgram("git");
  await needProgram("jq");
  const python = await pythonEnvironment();
  shop = { server: await startServer(), python, ledger: "" };
  for (const example of ["tickets", "shop"] as const)
    baked[example] = (await bakeExample(example, python)).image;
});

afterAll(async () => {
  await shop?.server.stop();
});

/** A clone whose base lacks the last migration, which a pull request brings. */
type Change = {
  readonly example: "tickets" | "shop";
  /** In the base. */
  readonly before: (root: string) => Promise<void>;
  /** By the pull request. */
  readonly change: (root: string) => Promise<void>;
};

type Ran = { readonly name: string; readonly ended: Ended };

/** What GitHub would do: the `run` steps one after the other, until one fails. */
async function runJob(job: Job, { example, before, change }: Change, url: string) {
  const root = mkdtempSync(path.join(tmpdir(), "preflight-checkout-"));
  const temporary = mkdtempSync(path.join(tmpdir(), "preflight-runner-"));
  cpSync(baked[example] ?? "", root, { recursive: true });
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...args], {
      cwd: root,
      encoding: "utf8",
    }).trim();
  git("init", "--quiet");
  await before(root);
  git("add", "--all");
  git("commit", "--quiet", "--message=base");
  const base = git("rev-parse", "HEAD");
  await change(root);
  git("add", "--all");
  git("commit", "--quiet", "--message=change");

  const secrets: Readonly<Record<string, string>> = {
    "${{ github.event.pull_request.base.sha }}": base,
    "${{ secrets.STAGING_DATABASE_URL }}": url,
  };
  const bin = mkdtempSync(path.join(tmpdir(), "preflight-path-"));
  symlinkSync(programs.binary[0] ?? "", path.join(bin, "preflight"));
  const { PATH, HOME } = environment(shop, "") as { PATH: string; HOME: string };
  const ran: Ran[] = [];
  for (const step of job.steps) {
    // The checkout and the program are there already, and so are Python's packages.
    if (step.run === undefined || step.id !== undefined) continue;
    const script = path.join(temporary, "script.sh");
    writeFileSync(script, step.run);
    const given = Object.entries({ ...job.env, ...step.env }).map(([name, text]) => [
      name,
      name === "DATABASE_URL" ? url : (secrets[text] ?? text),
    ]);
    const ended = await start(["bash", "--noprofile", "--norc", "-eo", "pipefail", script], {
      cwd: root,
      env: {
        PATH: `${bin}:${PATH}`,
        HOME,
        RUNNER_TEMP: temporary,
        ...(Object.fromEntries(given) as Record<string, string>),
      },
    }).ended;
    ran.push({ name: step.name ?? "", ended });
    if (ended.exit !== 0) break;
  }
  return { ran, last: ran.at(-1)?.ended, root };
}

const nothing = async (): Promise<void> => {};

async function bake(root: string): Promise<void> {
  const env = environment(shop, "");
  const { exit, stderr } = await start([programs.binary[0] ?? "", "bake"], { cwd: root, env })
    .ended;
  expect(exit, stderr).toBe(0);
}

const steps = workflow.jobs["pull-request"].steps.filter(({ name }) => name !== undefined);

async function empty(): Promise<string> {
  return await makeDatabase(shop, { at: null });
}

describe("the workflow", () => {
  it("is one by GitHub's schema, may do nothing but read, and uses the shell that is tested", () => {
    const checker = path.join(shop.python.bin, "check-jsonschema");
    const schema = ["--builtin-schema", "vendor.github-workflows"];
    expect(execFileSync(checker, [...schema, file], { encoding: "utf8" })).toContain("ok");
    const wrong = path.join(mkdtempSync(path.join(tmpdir(), "preflight-workflow-")), "wrong.yaml");
    writeFileSync(wrong, readFileSync(file, "utf8").replace("runs-on:", "run-on:"));
    expect(() => execFileSync(checker, [...schema, wrong], { stdio: "ignore" })).toThrow();
    expect(workflow.permissions).toEqual({ contents: "read" });
    expect(workflow.defaults.run.shell).toBe("bash");
  });

  it("puts no expression into a shell's lines, where a branch's name could be a command", () => {
    for (const { steps } of Object.values(workflow.jobs))
      for (const { run = "" } of steps) expect(run).not.toContain("${{");
  });

  it("keeps the secret from pull requests of forks", () => {
    const { staging } = workflow.jobs;
    expect(staging.if).toBe("github.event.pull_request.head.repo.full_name == github.repository");
    expect(JSON.stringify(workflow.jobs["pull-request"])).not.toContain("secrets.");
  });
});

describe("a pull request", () => {
  it.each([
    ["tickets", "migrations/007_priority.sql", "ALTER TABLE tickets ADD COLUMN priority int;\n"],
    [
      "shop",
      "alembic/versions/0007_notes.py",
      'from alembic import op\n\nrevision = "notes"\ndown_revision = "index_placed_at"\n\n\ndef upgrade():\n    op.execute("CREATE TABLE notes (id int PRIMARY KEY)")\n',
    ],
  ] as const)("that brings a good migration to %s passes", async (example, name, text) => {
    const { ran } = await runJob(
      workflow.jobs["pull-request"],
      {
        example,
        before: nothing,
        change: async (root) => {
          writeFileSync(path.join(root, name), text);
          await bake(root);
        },
      },
      await empty(),
    );
    expect(ran.map(({ name, ended }) => [name, ended.exit])).toEqual(
      steps.map(({ name }) => [name, 0]),
    );
    expect(ran[3]?.ended.stdout).toContain('"verdict":"behind"');
    expect(ran[4]?.ended.stdout).toContain('"verdict":"current"');
    expect(ran[1]?.ended.stdout, "what was there before is not told again").not.toContain(
      "::error",
    );
  });

  it("that forgets to bake fails at once, with 30 and what is to be done", async () => {
    const { ran, last } = await runJob(
      workflow.jobs["pull-request"],
      {
        example: "tickets",
        before: nothing,
        change: async (root) =>
          writeFileSync(
            path.join(root, "migrations/007_priority.sql"),
            "CREATE TABLE more (id int);\n",
          ),
      },
      await empty(),
    );
    expect(ran).toHaveLength(1);
    expect(last?.exit).toBe(30);
    expect(last?.stdout).toContain("007");
    expect(last?.stdout).toContain("preflight bake");
  });

  it("with a dangerous migration shows it at its line, and only that of the new file", async () => {
    const { ran } = await runJob(
      workflow.jobs["pull-request"],
      {
        example: "tickets",
        before: nothing,
        change: async (root) => {
          const text =
            "-- one\nDROP VIEW closed_tickets;\nALTER TABLE tickets DROP COLUMN status;\n";
          writeFileSync(path.join(root, "migrations/007_drop.sql"), text);
          await bake(root);
        },
      },
      await empty(),
    );
    const told = (ran[1]?.ended.stdout ?? "").split("\n").filter((line) => line.startsWith("::"));
    expect(told.join("\n")).toMatch(
      /^::error title=drop-column,file=migrations\/007_drop\.sql,line=3::.*status.*Remedy: /m,
    );
    for (const line of told) expect(line).toContain("007_drop.sql");
    expect(ran[1]?.ended.exit).toBe(0);
  });

  it("cannot give the runner commands through the name of a file or of a column", async () => {
    const column = '"x\n::warning::forged%0A"';
    const { ran } = await runJob(
      workflow.jobs["pull-request"],
      {
        example: "tickets",
        before: async (root) =>
          writeFileSync(
            path.join(root, "migrations/007_more.sql"),
            `CREATE TABLE more (${column} int, id int);\n`,
          ),
        change: async (root) => {
          const text = `ALTER TABLE more DROP COLUMN ${column};\n`;
          writeFileSync(path.join(root, "migrations/008_a,b.sql"), text);
          await bake(root);
        },
      },
      await empty(),
    );
    const { stdout = "" } = ran[1]?.ended ?? {};
    expect(stdout).toContain("file=migrations/008_a%2Cb.sql");
    expect(stdout).toContain("x%0A::warning::forged%250A");
    expect(stdout).not.toMatch(/^::warning::forged/m);
  });

  it("whose files contradict themselves is refused with 24, and shown", async () => {
    const { last } = await runJob(
      { ...workflow.jobs["pull-request"], steps: steps.slice(1) },
      {
        example: "tickets",
        before: nothing,
        change: async (root) =>
          writeFileSync(
            path.join(root, "migrations/06_index_opened_at.sql"),
            "CREATE TABLE more (id int);\n",
          ),
      },
      await empty(),
    );
    expect(last?.exit).toBe(24);
    expect(last?.stdout).toMatch(/^::error title=/m);
  });

  it("whose migration fails is refused with 25", async () => {
    const { ran, last } = await runJob(
      { ...workflow.jobs["pull-request"], steps: steps.slice(1) },
      {
        example: "tickets",
        before: nothing,
        change: async (root) =>
          writeFileSync(path.join(root, "migrations/007_fails.sql"), "SELECT 1 / 0;\n"),
      },
      await empty(),
    );
    expect(ran.at(-1)?.name).toBe(steps.at(-1)?.name);
    expect(last?.exit).toBe(25);
  });
});

describe("staging", () => {
  const addition: Change = {
    example: "tickets",
    before: nothing,
    change: async (root) => {
      appendFileSync(
        path.join(root, "migrations/007_priority.sql"),
        "CREATE TABLE more (id int);\n",
      );
      await bake(root);
    },
  };

  async function stagingWith(sql: readonly string[]): Promise<{ url: string; password: string }> {
    const url = await makeDatabase(shop, { example: "tickets", at: "006", sql });
    const { name, password } = await createRole(shop.server);
    await shop.server.sql(url, `GRANT SELECT ON preflight_migrations TO ${name}`);
    return { url: withUrl(url, { user: name, password }), password };
  }

  it("is looked at with a role that can only read, and passes with a migration to run", async () => {
    const { url, password } = await stagingWith([]);
    const { last } = await runJob(workflow.jobs.staging, addition, url);
    expect(last?.exit, last?.stderr).toBe(0);
    expect(last?.stdout).toContain('"verdict":"behind"');
    expect(`${last?.stdout}${last?.stderr}`).not.toContain(password);
  });

  it("that somebody changed by hand is told before the merge", async () => {
    const { url } = await stagingWith(["ALTER TABLE tickets DROP COLUMN status CASCADE"]);
    const { last } = await runJob(workflow.jobs.staging, addition, url);
    expect(last?.exit).toBe(20);
    expect(last?.stdout).toContain("is missing");
  });
});
