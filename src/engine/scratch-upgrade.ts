import { readFile } from "node:fs/promises";
import path from "node:path";
import type { DatabaseAddress } from "../core/database-address.ts";
import type { Migration, Statement } from "../core/migration.ts";
import { CannotJudge, systemCode } from "../core/outcome.ts";
import type { Database } from "../database/database.ts";
import { connectAndWait } from "../database/wait.ts";
import { namedDatabases } from "../ledger/child-environment.ts";
import { chooseProtection } from "../ledger/confinement.ts";
import { refuseAsking, wantOf } from "../ledger/extensions.ts";
import type { CommandUpgrade } from "../ledger/lead-child.ts";
import type { Log, Prelude, Scratch } from "../ledger/scratch.ts";
import type { Upgrade } from "../ledger/upgrade.ts";
import { relationToExtensions } from "../pgsql/extensions.ts";
import type { Connection } from "../settings/connection.ts";
import type { Settings } from "../settings/settings.ts";
import { runChild } from "../tools/child.ts";
import type { Commands, Upgrade as ToolsUpgrade } from "../tools/tool.ts";
import { adviseOnVariables } from "./advise-on-variables.ts";
import { applyFiles } from "./apply-files.ts";
import { type Context, waitingOf } from "./context.ts";
import type { ProjectScope } from "./scope.ts";

/**
 * How a bake brings the history into a scratch database: as a run would into the real one.
 * @throws CannotJudge `config` where the program might reach a database that bake did not make
 */
export async function scratchUpgrade(
  scratch: Scratch,
  scope: ProjectScope,
  { without, log }: { readonly without: readonly string[]; readonly log: Log },
): Promise<Upgrade> {
  const { project, settings, context } = scope;
  const { upgrade } = project.found;
  if (upgrade.kind === "native") return scratchRunner(upgrade, scope, without);
  const { commands } = upgrade;
  refuseAsking(without, without.length === 0 ? [] : await upgrade.readAsking());
  const own = settings.upgradeCommand;
  const { suspects, fixed } = await upgrade.readAddresses();
  return {
    kind: "command",
    cwd: commands.cwd,
    ...argvOf(commands, own),
    explain: commands.explain,
    adviseOnVariables: async (missing) => await adviseOnVariables(missing, scope),
    runChild: async (argv, options) =>
      await runChild(argv, { ...options, signalGroup: context.signalGroup }),
    mapped: settings.programEnv ?? [],
    environment: { ...(await dotenvAddresses(commands.cwd)), ...context.env },
    fixed:
      fixed === null
        ? null
        : {
            ...fixed,
            commands: (copy) => argvOf(fixed.commands(copy), own),
            isCommandOwn: own !== null,
          },
    protection: await chooseProtection({
      scratch,
      path: context.env["PATH"] ?? "",
      suspects,
      unconfined: settings.scratchUnconfined,
      log,
    }),
    without,
    proven: { way: { byOnlyOther: false, byCopy: false } },
  };
}

function argvOf(
  commands: Commands,
  own: Settings["upgradeCommand"],
): Pick<CommandUpgrade, "current" | "command"> {
  return {
    current: (own === null ? null : commands.locateLike(own)) ?? commands.current(),
    // The target of a person's own command is its word `heads`; without one it always goes to the heads.
    command: (target) =>
      own === null
        ? commands.upgrade(target)
        : own.map((word) => (word === "heads" || word === "head" ? target : word)),
  };
}

/**
 * What names a database in the `.env` that many programs read beside their configuration: they leave alone what the
 * environment has, so there each is given a scratch database.
 */
async function dotenvAddresses(cwd: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(path.join(cwd, ".env"), "utf8").catch(() => "");
  const lines = text.matchAll(/^\s*(?:export\s+)?(\w+)\s*=\s*(["']?)(.*?)\2\s*$/gm);
  const variables = Object.fromEntries(
    [...lines].map(([, name = "", , value = ""]) => [name, value]),
  );
  const named = namedDatabases(variables).flatMap(({ names }) => names);
  return Object.fromEntries(named.map((name) => [name, variables[name] ?? ""]));
}

/** What a database of this project has before its first migration. */
export async function scratchPreludes(scope: ProjectScope): Promise<readonly Prelude[]> {
  const { project, settings, context } = scope;
  const { platform: made } = project.found.tool;
  const platform = made === null ? [] : [made.prelude];
  const file = settings.scratchInit;
  if (file === null) return platform;
  const sql = await readFile(path.resolve(context.cwd, file), "utf8").catch((error: unknown) => {
    throw new CannotJudge(
      "missing-input",
      `--scratch-init ${file} cannot be read: ${systemCode(error)}`,
      ["name a file with SQL that makes what the migrations expect to be there"],
    );
  });
  return [...platform, { name: file, sql }];
}

function scratchRunner(
  { load }: Extract<ToolsUpgrade, { readonly kind: "native" }>,
  { project, settings, context }: ProjectScope,
  without: readonly string[],
): Upgrade {
  const { history } = project.knowledge;
  return {
    kind: "native",
    apply: async (address, table) => {
      const applicationName = `preflight-bake/${context.runId}`;
      const openSession = async (): Promise<Database> =>
        await connectAndWait(async () => connectionTo(address), {
          ...waitingOf(context),
          timeout: 10_000,
          applicationName,
        });
      const session = await openSession();
      try {
        const migrations = await load([...history.revisions.keys()]);
        const failure = await applyFiles(await passOver(migrations, without), {
          session,
          layout: project.versionTable.layout,
          table,
          progress: [],
          ddlLockTimeout: settings.ddlLockTimeout,
          timeout: null,
          openSecond: openSession,
          applicationName,
          cancel: session.close,
          onApplied: () => {},
          context: quiet(context),
        });
        if (failure !== null)
          throw new CannotJudge(failure.outcome, failure.reason ?? "", [
            ...wantOf(without),
            ...failure.next,
          ]);
      } finally {
        await session.close();
      }
    },
  };
}

/** @throws CannotJudge `config` where a statement asks what is there, or goes on where something is not: it may make other things then */
async function passOver(
  migrations: readonly Migration[],
  without: readonly string[],
): Promise<readonly Migration[]> {
  if (without.length === 0) return migrations;
  const asking: string[] = [];
  const kept: Migration[] = [];
  for (const migration of migrations) {
    const statements: Statement[] = [];
    for (const statement of migration.statements) {
      const about = await relationToExtensions(statement.text);
      if (about.kind === "asks") asking.push(`${migration.file}:${statement.line}`);
      if (about.kind === "manages" && about.names.every((name) => without.includes(name))) continue;
      statements.push(statement);
    }
    kept.push({ ...migration, statements });
  }
  refuseAsking(without, asking);
  return kept;
}

/** Every file is applied twice, and none of them is news. */
function quiet(context: Context): Context {
  return {
    ...context,
    log: (event) =>
      context.log(event.event === "migrate.running" ? event : { ...event, level: "debug" }),
  };
}

function connectionTo(address: DatabaseAddress): Connection {
  const { host, port, user, password, database, sslMode, sslRootCert } = address;
  return {
    source: "the scratch server",
    hosts: [{ host, address: null, port, password }],
    user,
    database,
    tls: {
      mode: (sslMode as Connection["tls"]["mode"] | null) ?? "prefer",
      rootCert: sslRootCert,
      client: null,
    },
    applicationName: null,
    options: null,
    targetSession: "any",
    schema: null,
  };
}
