import { enumerate } from "../core/words.ts";
import { CannotJudge } from "../core/outcome.ts";
import { type Confinement, confine } from "./confinement.ts";
import { notOurs } from "./relay.ts";
import type { Log, Scratch } from "./scratch.ts";

/** What keeps a replay off every database that bake did not make. */
export type Protection =
  | { readonly kind: "confined"; readonly confinement: Confinement }
  /** Its read-only `current` is seen to arrive, and there is no second engine that could go elsewhere. */
  | { readonly kind: "one-engine"; readonly why: string }
  | { readonly kind: "unconfined" };

/**
 * @param options.suspects what in the files may lead to another database
 * @param options.unconfined a person's word that nothing needs to be kept off
 * @throws CannotJudge `config` where a child cannot be confined and may reach more than one database
 */
export async function chooseProtection(options: {
  readonly scratch: Scratch;
  readonly path: string;
  readonly suspects: readonly string[];
  readonly unconfined: boolean;
  readonly log: Log;
}): Promise<Protection> {
  const { scratch, path, suspects, unconfined, log } = options;
  if (unconfined) return { kind: "unconfined" };
  const confinement = await confine(scratch, path);
  if (!("kind" in confinement)) return { kind: "confined", confinement };
  const { why } = confinement;
  log("the replay cannot be confined on this machine", { why });
  if (suspects.length === 0) return { kind: "one-engine", why };
  throw new CannotJudge(
    "config",
    `The migrations may reach a database that bake did not make, and this machine cannot keep them from it (${why}): ${enumerate(suspects)}. Nothing was run.`,
    [
      "bake where Linux network namespaces are allowed (unshare -n works), such as on a developer's machine, a CI runner as root, or in a container with --privileged",
      "or make sure that nothing real can be reached from here, and say so: --scratch-unconfined",
    ],
  );
}

export function protect(
  protection: Protection,
  argv: readonly string[],
  cwd: string,
): readonly string[] {
  return protection.kind === "confined" ? protection.confinement.wrap(argv, cwd) : argv;
}

export async function endProtection(protection: Protection): Promise<void> {
  if (protection.kind === "confined") await protection.confinement.close();
}

/** For the end of a bake: which protection held. */
export function describeProtection(protection: Protection): string {
  switch (protection.kind) {
    case "confined":
      return "confined: the child could reach nothing but the scratch server";
    case "one-engine":
      return `not confined (${protection.why}): one engine, seen to arrive on the scratch database`;
    case "unconfined":
      return "not confined, by --scratch-unconfined";
  }
}

/** What a person can do about a child that failed because it was confined. */
export function advise({ kind }: Protection, said: string): readonly string[] {
  if (kind !== "confined" || !unreachable.test(said)) return [];
  return [
    "the replay runs where nothing but the scratch server can be reached: let every address come from a variable (bake gives each another scratch database), not from a file or the code",
    "or, if it must reach something else that is not a database, say --scratch-unconfined",
  ];
}

const unreachable = new RegExp(
  `${notOurs}|unreachable|connection refused|connect call failed|name resolution|name or service not known|could not translate host name|nodename nor servname`,
  "i",
);
