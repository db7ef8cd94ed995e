import { existsSync } from "node:fs";
import path from "node:path";
import { mustRun, root, runProgram } from "../support/client.ts";
import { installPackages, isInstalled } from "../support/machine.ts";

const cache = path.join(root, "node_modules/.cache/kubernetes");

/** Kustomize's output for a directory. */
export async function kustomize(directory: string): Promise<string> {
  const [program = "", ...words] = await findKustomize();
  return await mustRun(program, [...words, directory]);
}

let found: readonly string[] | null = null;

/** kubectl's own Kustomize, a program of that name, or one built by Go: the first of version 5 or newer. */
async function findKustomize(): Promise<readonly string[]> {
  found ??= (await inKubectl()) ?? (await installed("kustomize")) ?? (await built());
  return found;
}

async function inKubectl(): Promise<readonly string[] | null> {
  if (!isInstalled("kubectl")) return null;
  const { stdout } = await runProgram("kubectl", ["version", "--client", "--output=json"]);
  return isNewEnough(stdout) ? ["kubectl", "kustomize"] : null;
}

async function installed(program: string): Promise<readonly string[] | null> {
  if (!isInstalled(program)) return null;
  const { stdout } = await runProgram(program, ["version"]);
  return isNewEnough(stdout) ? [program, "build"] : null;
}

function isNewEnough(text: string): boolean {
  const major = /(?:kustomizeVersion": "|^\{?(?:Version:kustomize\/)?)v(\d+)\./m.exec(text)?.[1];
  return Number(major ?? 0) >= 5;
}

/** The newest that Debian 12's Go can build; from Go's module proxy. */
const version = "v5.0.3";

async function built(): Promise<readonly string[]> {
  const program = path.join(cache, "kustomize");
  if (!existsSync(program)) {
    if (!isInstalled("go"))
      await installPackages(
        ["golang-go", "ca-certificates"],
        "kubectl 1.27 or newer, kustomize 5 or Go",
      );
    await mustRun("go", ["install", `sigs.k8s.io/kustomize/kustomize/v5@${version}`], {
      env: { GOBIN: cache, CGO_ENABLED: "0" },
    });
  }
  return [program, "build"];
}

/** Validates against the schemas of one version of Kubernetes; whatever a schema does not know is a fault. */
export async function validate(kubernetes: string, text: string) {
  const program = await findValidator();
  const words = ["--strict", "--quiet", "--kubernetes-version", kubernetes, "-"];
  return await runProgram(program, words, { input: text });
}

/** It brings the schemas with it: no cluster and no download. */
const validator = "kubernetes-validate==1.37.0";

async function findValidator(): Promise<string> {
  const environment = path.join(cache, validator);
  const program = path.join(environment, "bin/kubernetes-validate");
  if (existsSync(program)) return program;
  if ((await runProgram("python3", ["-c", "import ensurepip"])).code !== 0)
    await installPackages(["python3", "python3-venv"], "Python 3 with venv");
  await mustRun("python3", ["-m", "venv", "--clear", environment]);
  const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", validator];
  await mustRun(path.join(environment, "bin/python"), words);
  return program;
}
