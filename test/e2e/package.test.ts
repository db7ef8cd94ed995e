import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { version } from "../../src/version.ts";
import { startServer } from "../support/postgres.ts";
import { type Ended, expectLine, type Place, start } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";

const root = path.join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const manifest = JSON.parse(read("package.json")) as {
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

const server = await startServer();
afterAll(server.stop);

it("the package holds the program and its papers, and needs nothing else", async () => {
  const { tarball, project } = install();
  const list = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" });
  expect(list.trim().split("\n").toSorted()).toEqual([
    "package/CHANGELOG.md",
    "package/LICENSE",
    "package/README.md",
    "package/package.json",
    "package/preflight.licenses",
    "package/preflight.mjs",
  ]);
  expect(JSON.parse(read("dist/npm/package.json"))).toEqual({
    name: "@preflight-db/preflight",
    version: manifest.version,
    description: expect.any(String),
    license: "Apache-2.0",
    type: "module",
    bin: { preflight: "preflight.mjs" },
    engines: { node: ">=20" },
  });
  const lock = JSON.parse(readFileSync(path.join(project, "package-lock.json"), "utf8")) as {
    packages: object;
  };
  expect(Object.keys(lock.packages)).toEqual(["", "node_modules/@preflight-db/preflight"]);

  const npx = ["npx", "--no-install", "preflight", "--version"];
  const ended = await start(npx, placeIn(project)).ended;
  expect(ended).toMatchObject({ exit: 0, stdout: `preflight ${manifest.version}\n`, stderr: "" });
});

it("installed from the package, it judges a database", async () => {
  const { project } = install();
  cpSync(path.join(root, "examples/tickets/migrations"), path.join(project, "migrations"), {
    recursive: true,
  });
  const url = await server.createDatabase();
  const look = await preflight(project, ["check", "--exit-code"], url);
  expect(expectLine(look)).toMatchObject({ verdict: "fresh", outcome: "pending" });
  const run = await preflight(project, ["run"], url);
  expect(expectLine(run)).toMatchObject({ verdict: "fresh", outcome: "ready" });
  expect(expectLine(await preflight(project, ["check"], url))).toMatchObject({
    verdict: "current",
  });
});

it("the bill of materials is CycloneDX, and names what is in the binary and nothing else", async () => {
  const text = execFileSync(process.execPath, ["scripts/sbom.ts"], { cwd: root, encoding: "utf8" });
  expect(await new Validation.JsonStrictValidator(Spec.Version.v1dot5).validate(text)).toBeNull();

  const bom = JSON.parse(text) as {
    components: { name: string; version: string; components?: { name: string }[] }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  const versions = Object.fromEntries(bom.components.map(({ name, version }) => [name, version]));
  expect(versions).toMatchObject(manifest.dependencies);
  const tools = Object.keys(manifest.devDependencies);
  expect(tools.filter((name) => name in versions)).toEqual([]);

  const inside = bom.components.flatMap(({ components = [] }) =>
    components.map(({ name }) => name),
  );
  expect(inside).toEqual(expect.arrayContaining(["libpg_query", "JavaScriptCore (WebKit)"]));
  const [self] = bom.dependencies;
  expect(self?.dependsOn).toContainEqual(expect.stringMatching(/^@oven\/bun-linux-.*@\d/));
});

it("the bill of materials names the system's libraries that it is given", () => {
  const libc = execFileSync("ldd", ["dist/preflight"], { cwd: root, encoding: "utf8" });
  const [, file = ""] = /libc\.so\.6 => (\S+)/.exec(libc) ?? [];
  const text = execFileSync(process.execPath, ["scripts/sbom.ts", file], {
    cwd: root,
    encoding: "utf8",
  });
  const version = execFileSync("ldd", ["--version"], { encoding: "utf8" });
  const { components } = JSON.parse(text) as { components: { name: string; version: string }[] };
  const glibc = components.find(({ name }) => name === "glibc");
  expect(version).toContain(`GLIBC ${glibc?.version})`);
});

it("a release is the package, the binaries, their papers, and the checksums of all", () => {
  const target = process.arch === "arm64" ? "linux-arm64" : "linux-amd64";
  const said = execFileSync(process.execPath, ["scripts/release.ts", "--dry-run", target], {
    cwd: root,
    encoding: "utf8",
  });
  const { version } = manifest;
  const files = [
    `preflight-${version}-${target}`,
    `preflight-db-preflight-${version}.tgz`,
    "preflight.licenses",
    "sbom.cdx.json",
  ];
  expect(readdirSync(path.join(root, "dist/release")).toSorted()).toEqual(["SHA256SUMS", ...files]);
  const sums = read("dist/release/SHA256SUMS").trim().split("\n");
  expect(sums).toEqual(
    files.map((file) => {
      const bytes = readFileSync(path.join(root, "dist/release", file));
      return `${createHash("sha256").update(bytes).digest("hex")}  ${file}`;
    }),
  );
  expect(said).toContain(`--build-arg VERSION=${version} --build-arg REVISION=`);

  const { components } = JSON.parse(read("dist/release/sbom.cdx.json")) as {
    components: { name: string; version: string; purl?: string }[];
  };
  const titles = read("dist/release/preflight.licenses").split("\n");
  const packages = components.filter(({ purl }) => purl?.startsWith("pkg:npm"));
  expect(packages.length).toBeGreaterThan(10);
  for (const { name, version: its } of packages) {
    const title = name.startsWith("@oven/bun-") ? "bun" : name;
    expect(
      titles.includes(title) || titles.includes(`${title} ${its}`),
      `the licence text of ${name}`,
    ).toBe(true);
  }
});

it("the version stands in package.json, in the program, in the images' label and in CHANGELOG.md", () => {
  expect(version).toBe(manifest.version);
  expect(read("CHANGELOG.md")).toMatch(new RegExp(`^# Changes\n\n## ${manifest.version} \\(`));
  const versions = read("Dockerfile").matchAll(/^ARG VERSION=(.*)$/gm);
  expect([...new Set([...versions].map(([, version]) => version))]).toEqual([manifest.version]);
});

describe("before a commit and before a merge", () => {
  const hooks = "examples/pre-commit/.pre-commit-config.yaml";
  const name = `@preflight-db/preflight@${manifest.version}`;

  it("the hooks of pre-commit find the forgotten bake and the broken file, and pass without them", async () => {
    const { python } = await pythonEnvironment();
    const { tarball } = install();
    const project = projectOf(tarball, hooks, ".pre-commit-config.yaml");
    const git = (...args: readonly string[]) =>
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { cwd: project });
    git("init", "--quiet");
    const run = async () => {
      git("add", "--all");
      const hook = [python, "-m", "pre_commit", "run", "--all-files"];
      return await start(hook, placeIn(project, { PRE_COMMIT_HOME: path.join(project, ".home") }))
        .ended;
    };
    writeFileSync(path.join(project, ".gitignore"), ".home\n");
    const without = await run();
    expect(without.exit, without.stdout).not.toBe(0);
    expect(without.stdout).toContain("there is no ledger");

    const baked = await start([path.join(root, "dist/preflight"), "bake"], placeIn(project)).ended;
    expect(baked.exit, baked.stderr).toBe(0);
    const passed = await run();
    expect(passed.exit, passed.stdout).toBe(0);
    expect(passed.stdout.match(/Passed/g)).toHaveLength(2);

    writeFileSync(path.join(project, "migrations/007_more.sql"), "CREATE TABLE more (id int");
    const broken = await run();
    expect(broken.stdout).toContain("migrations/007_more.sql:1");
  });

  it("the action runs the same, of the version that it is of", async () => {
    const { python } = await pythonEnvironment();
    const checker = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions"];
    const checked = execFileSync(python, [...checker, "action.yml"], { cwd: root });
    expect(checked.toString()).toContain("ok");
    const action = parse(read("action.yml")) as {
      inputs: { package: { default: string } };
      runs: { steps: { run: string; env: Record<string, string> }[] };
    };
    expect(action.inputs.package.default).toBe(name);
    expect(read(hooks).split(name)).toHaveLength(3);
    const { tarball } = install();
    const project = projectOf(tarball, "action.yml", "action.yml");
    const ends = [];
    for (const { run, env } of action.runs.steps) {
      expect(run, "no expression in a shell's line").not.toContain("${{");
      expect(Object.keys(env)).toEqual(["PREFLIGHT_PACKAGE"]);
      const words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run];
      const ended = await start(words, placeIn(project, { PREFLIGHT_PACKAGE: tarball })).ended;
      ends.push(expectLine(ended).outcome);
    }
    expect(ends).toEqual(["missing-input", "ready"]);
  });

  /** The numbered example without a ledger, and a file of ours that takes the package as it was packed. */
  function projectOf(tarball: string, file: string, target: string): string {
    const project = mkdtempSync(path.join(tmpdir(), "preflight-before-"));
    cpSync(path.join(root, "examples/tickets/migrations"), path.join(project, "migrations"), {
      recursive: true,
    });
    writeFileSync(path.join(project, target), read(file).replaceAll(name, tarball));
    return project;
  }
});

/** Packs the last build and installs it into an empty project, without a network. */
function install(): { readonly tarball: string; readonly project: string } {
  const packed = execFileSync(process.execPath, ["scripts/package.ts"], {
    cwd: root,
    encoding: "utf8",
  });
  const tarball = path.join(root, packed.trim());
  const project = mkdtempSync(path.join(tmpdir(), "preflight-project-"));
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], {
    cwd: project,
    stdio: "ignore",
  });
  return { tarball, project };
}

async function preflight(project: string, args: readonly string[], url: string): Promise<Ended> {
  const program = path.join(project, "node_modules/.bin/preflight");
  return await start([program, ...args], placeIn(project, { DATABASE_URL: url })).ended;
}

function placeIn(project: string, env: Readonly<Record<string, string>> = {}): Place {
  return { cwd: project, env: { PATH: process.env["PATH"] ?? "", HOME: project, ...env } };
}
