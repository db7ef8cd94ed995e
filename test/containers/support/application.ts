import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { verdictLine, type VerdictLine } from "../../../src/report/verdict-schema.ts";
import { runProgram } from "../../support/process.ts";
import { buildImage, mustDocker, type Ran, root } from "./engine.ts";

/** How an application's image takes Preflight from the carrier, where its base has glibc. */
export const copyLine = "COPY --from=preflight /preflight /usr/local/bin/preflight";

/** The example `tickets` with a ledger, in a directory for `docker build`. @param without files of it, by their numbers */
export async function ticketsContext(without: readonly string[] = []): Promise<string> {
  const context = mkdtempSync(path.join(tmpdir(), "preflight-context-"));
  const kept = (file: string): boolean =>
    !without.some((number) => path.basename(file).startsWith(number));
  cpSync(path.join(root, "examples/tickets/migrations"), path.join(context, "migrations"), {
    recursive: true,
    filter: kept,
  });
  cpSync(path.join(root, "entrypoint.sh"), path.join(context, "entrypoint.sh"));
  cpSync(path.join(root, "dist/preflight.mjs"), path.join(context, "preflight.mjs"));
  await bakeIn(context);
  return context;
}

export async function bakeIn(context: string): Promise<void> {
  const place = { cwd: context, env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir() } };
  const { exit, stderr } = await runProgram("binary", ["bake"], place);
  if (exit !== 0) throw new Error(`bake ended with ${exit}: ${stderr}`);
}

/** Builds an application's image of these lines. @returns its name */
export async function buildApplication(
  name: string,
  context: string,
  lines: readonly string[],
): Promise<string> {
  const tag = `preflight-test-${name}`;
  const file = path.join(context, `Dockerfile.${name}`);
  writeFileSync(file, `${lines.join("\n")}\n`);
  await buildImage(tag, context, ["--file", file]);
  return tag;
}

/** The one verdict line of what a container said. */
export function lineOf({ stdout, stderr }: Pick<Ran, "stdout" | "stderr">): VerdictLine {
  const found = `${stdout}\n${stderr}`.split("\n").filter((line) => line.startsWith('{"v":1,'));
  if (found.length !== 1)
    throw new Error(`one verdict line, not ${found.length}: ${stdout}${stderr}`);
  return verdictLine.strict().parse(JSON.parse(found[0]!));
}

export async function removeImages(names: readonly string[]): Promise<void> {
  if (names.length > 0) await mustDocker(["image", "rm", "--force", ...names]);
}
