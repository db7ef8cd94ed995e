import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { describe, expect, it } from "vitest";

const root = path.join(import.meta.dirname, "../..");

/** Node 20 comes with npm 10, Node 24 with npm 11, and they do not write the same lock file. */
describe.each(["10.9.9", "11.19.1"])("npm %s", (version) => {
  it("installs what the lock file says: no package of any platform is missing", () => {
    const project = copy();
    const packages = npm(version, project, ["ci", "--dry-run", "--ignore-scripts"]);
    expect(packages).toContain("add node 24.");
  });

  it("leaves the lock file as it is, to the byte", () => {
    const project = copy();
    npm(version, project, ["install", "--package-lock-only", "--ignore-scripts"]);
    for (const file of ["package.json", "package-lock.json"]) expectSame(project, file);
  });

  it("writes no registry's address into the lock file, whatever the person's own settings are", () => {
    const project = copy();
    const own = path.join(project, "settings-of-a-person");
    writeFileSync(own, "omit-lockfile-registry-resolved=false\n");
    const get = ["config", "get", "omit-lockfile-registry-resolved"];
    const setting = npm(version, project, get, { npm_config_userconfig: own });
    expect(setting.trim()).toBe("true");
    expect(read(project, "package-lock.json")).not.toContain('"resolved"');
  });
});

function copy(): string {
  const project = mkdtempSync(path.join(tmpdir(), "preflight-install-"));
  for (const file of ["package.json", "package-lock.json", ".npmrc"])
    cpSync(path.join(root, file), path.join(project, file));
  return project;
}

function npm(
  version: string,
  project: string,
  args: readonly string[],
  settings: NodeJS.ProcessEnv = {},
): string {
  // `npm test` hands its own settings on, which would stand above those of the project.
  const { npm_config_omit_lockfile_registry_resolved: _, ...outer } = process.env;
  const words = ["exec", "--yes", `--package=npm@${version}`, "--", "npm", ...args];
  return execFileSync("npm", words, {
    cwd: project,
    env: { ...outer, ...settings },
    encoding: "utf8",
  });
}

function expectSame(project: string, file: string): void {
  const hint = `${file}: see CONTRIBUTING.md, "Packages"`;
  expect(read(project, file), hint).toBe(read(root, file));
}

function read(directory: string, file: string): string {
  return readFileSync(path.join(directory, file), "utf8");
}
