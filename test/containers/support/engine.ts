import { readFileSync } from "node:fs";
import path from "node:path";
import { buildImage, docker, root } from "./client.ts";
import { ensureEngine } from "./dockerd.ts";
import { isStandIn, makeStandIn, standIns } from "./stand-ins.ts";

export { buildImage, docker, mustDocker, type Ran, root } from "./client.ts";

/** The images are there afterwards: as they were, pulled, or as stand-ins of ours. */
export async function ensureImages(names: readonly string[]): Promise<void> {
  await ensureEngine();
  for (const name of names) {
    const { code } = await docker(["image", "inspect", name]);
    if (code === 0 && !(await isStandIn(name))) continue;
    if (code !== 0 && (await pull(name))) continue;
    if (!(name in standIns))
      throw new Error(`the image ${name} is not there, cannot be pulled, and has no stand-in`);
    await makeStandIn(name);
  }
}

let registryAnswers = true;

/** One image that cannot be had is enough: to ask for the others would only cost time. */
async function pull(name: string): Promise<boolean> {
  if (!registryAnswers || name.endsWith("-like")) return false;
  registryAnswers = (await docker(["pull", "--quiet", name])).code === 0;
  return registryAnswers;
}

let built: Promise<void> | null = null;

/**
 * `preflight`, the carrier, and `preflight-job`, which runs by itself, from the Dockerfile and the sources as they are.
 * Docker's own cache makes the second time short.
 */
export async function ensurePreflightImages(): Promise<void> {
  built ??= buildPreflightImages();
  await built;
}

async function buildPreflightImages(): Promise<void> {
  await ensureImages(basesOf(path.join(root, "Dockerfile")));
  await buildImage("preflight", root);
  await buildImage("preflight-job", root, ["--target", "job"]);
}

const ownImages = ["scratch", "preflight", "preflight-job"];

/** The images that a Dockerfile takes from elsewhere. */
export function basesOf(dockerfile: string): readonly string[] {
  const text = readFileSync(dockerfile, "utf8").replaceAll("\\\n", " ");
  const stages = [...text.matchAll(/^FROM\s.*\sAS\s+(\S+)/gim)].map(([, stage]) => stage);
  const from = [...text.matchAll(/^FROM\s+(?:--\S+\s+)*(\S+)|--from=(\S+)/gim)];
  const named = from.map(([, base, source]) => base ?? source ?? "");
  return [...new Set(named)].filter(
    (name) => !stages.includes(name) && !ownImages.includes(name) && !/^\d+$/.test(name),
  );
}
