import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { followComplaint, noComplaint } from "../core/complaint.ts";
import type { DatabaseAddress } from "../core/database-address.ts";
import { type MappedVariable, programVariables } from "../core/program-env.ts";
import type { ChildEnd, ChildOptions } from "../tools/child.ts";
import type { Commands, FixedAddresses } from "../tools/tool.ts";
import {
  childEnvironment,
  databaseVariables,
  keyOfAddress,
  namedDatabases,
  respellAddress,
  schemeOf,
} from "./child-environment.ts";
import { protect, type Protection } from "./confinement.ts";
import type { Log, ScratchDatabase } from "./scratch.ts";

/** What, besides DATABASE_URL, POSTGRES_* and PG*, leads a child to the first scratch database. */
export type Way = {
  /** The one other address in its environment. */
  readonly byOnlyOther: boolean;
  /** A copy of its configuration file, in which the addresses are replaced. */
  readonly byCopy: boolean;
};

/** By the tool's own program. */
export type CommandUpgrade = {
  readonly kind: "command";
  readonly cwd: string;
  /** Reads the version table and nothing else, as `alembic current` does. */
  readonly current: readonly string[];
  readonly command: (target: string) => readonly string[];
  readonly explain: Commands["explain"];
  /**
   * What a person can do where the program does not get to its database.
   * @param missing variables that it says it lacks
   */
  readonly adviseOnVariables: (missing: readonly string[]) => Promise<readonly string[]>;
  /** Runs a program by argv, without a shell: the one of src/tools/child.ts, given by whoever composes the two. */
  readonly runChild: (
    argv: readonly string[],
    options: Omit<ChildOptions, "signalGroup">,
  ) => Promise<ChildEnd>;
  /** Variables that the child is given the address in, whatever the environment has under these names. */
  readonly mapped: readonly MappedVariable[];
  /** The environment that the child's is made from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly fixed: FixedInFile | null;
  readonly protection: Protection;
  /** Extensions that are passed over. */
  readonly without: readonly string[];
  /** How the child was seen to arrive, once it was: the same for every replay. */
  readonly proven: { way: Way };
};

/** A configuration file with addresses, and how the child is given a copy of it. */
type FixedInFile = Omit<FixedAddresses, "commands"> & {
  readonly commands: (copy: string) => Pick<CommandUpgrade, "current" | "command">;
  /** A person's own command, which finds the copy by variables. */
  readonly isCommandOwn: boolean;
};

/** A child that is ready to run: wherever an address of a database was, there is one of a scratch database. */
export type LedChild = Pick<CommandUpgrade, "current" | "command"> & {
  readonly env: Readonly<Record<string, string>>;
  /** Removes what was made for it. */
  readonly done: () => Promise<void>;
};

/** The ways in which it may be tried, the likeliest first. */
export function possibleWays(upgrade: CommandUpgrade): readonly Way[] {
  const { fixed, protection } = upgrade;
  const plain: Way = { byOnlyOther: false, byCopy: false };
  const hasFixed = fixed?.values.some(({ text }) => keyOfAddress(text) !== null) === true;
  // Nobody knows whether a command of a person's own takes the copy: then it must not reach anything else.
  const copied = hasFixed && (!fixed.isCommandOwn || protection.kind === "confined");
  const first: readonly Way[] = copied ? [{ ...plain, byCopy: true }, plain] : [plain];
  const named = namedDatabases(unmapped(upgrade));
  const isOnly =
    new Set(named.map(({ key }) => key)).size === 1 && !named.some(({ isFirst }) => isFirst);
  return isOnly ? [...first, { byOnlyOther: true, byCopy: copied }] : first;
}

function unmapped({
  environment,
  mapped,
}: Pick<CommandUpgrade, "environment" | "mapped">): CommandUpgrade["environment"] {
  const names = new Set(mapped.map(({ name }) => name));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !names.has(name)));
}

export async function leadChild(
  upgrade: CommandUpgrade,
  database: ScratchDatabase,
  way: Way,
): Promise<LedChild> {
  const { fixed, protection, mapped } = upgrade;
  const environment = unmapped(upgrade);
  const reach = (address: DatabaseAddress): DatabaseAddress =>
    protection.kind === "confined" ? protection.confinement.reach(address) : address;
  const first = reach(database.address);
  const named = namedDatabases(environment);
  const firstKeys = new Set(named.filter(({ isFirst }) => isFirst).map(({ key }) => key));
  const addressFor = async (key: string, isFirst: boolean): Promise<DatabaseAddress> =>
    isFirst || firstKeys.has(key) ? first : reach(await database.other(key));

  const others: Record<string, string> = {};
  for (const { key, isFirst, spell } of named)
    Object.assign(others, spell(await addressFor(key, isFirst || way.byOnlyOther)));
  const variables = databaseVariables(first, schemeOf(environment["DATABASE_URL"]));
  const env = {
    ...childEnvironment(environment, variables, others),
    ...programVariables(mapped, first),
  };
  const { current, command } = upgrade;
  if (!way.byCopy || fixed === null) return { env, current, command, done: async () => {} };

  const addresses: string[] = [];
  for (const { text, isFirst } of fixed.values) {
    const key = keyOfAddress(text);
    addresses.push(key === null ? text : respellAddress(text, await addressFor(key, isFirst)));
  }
  const directory = await mkdtemp(join(tmpdir(), "preflight-ini-"));
  const copy = join(directory, fixed.fileName);
  const done = async (): Promise<void> => await rm(directory, { recursive: true, force: true });
  await writeFile(copy, fixed.copyWith(addresses), { mode: 0o600 });
  return { ...fixed.commands(copy), env: { ...env, ...fixed.variables(copy) }, done };
}

/** How a child ended, with the last lines that it printed. */
export type ChildReport = {
  readonly succeeded: boolean;
  readonly end: ChildEnd;
  readonly lastLines: readonly string[];
  /** What it gave as the reason of its failure; null: it printed nothing. */
  readonly complaint: string | null;
};

/** Runs one of the tool's commands to its end, without a time limit; its lines go to the log. */
export async function runCommand(
  { runChild, cwd, protection }: CommandUpgrade,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Log },
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ChildReport> {
  const lastLines: string[] = [];
  let complaint = noComplaint;
  signal.throwIfAborted();
  const end = await runChild(protect(protection, argv, cwd), {
    cwd,
    env,
    timeout: null,
    abort: signal,
    // Not cut short: half a secret would not be known for one.
    onLine: (line) => {
      log("child", { line });
      complaint = followComplaint(complaint, line);
      lastLines.push(line);
      if (lastLines.length > linesKept) lastLines.shift();
    },
  });
  signal.throwIfAborted();
  return {
    succeeded: end.kind === "exited" && end.code === 0,
    end,
    lastLines,
    complaint: complaint.line,
  };
}

/** A settings class names each field that it lacks in three lines. */
const linesKept = 200;

export function describeEnd({ end }: ChildReport): string {
  switch (end.kind) {
    case "exited":
      return `failed with exit code ${end.code}`;
    case "killed":
      return `was killed by ${end.signal}`;
    case "stopped":
      return `was stopped (${end.by})`;
  }
}
