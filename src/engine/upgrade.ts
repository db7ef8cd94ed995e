import { recordedOf } from "../core/claim.ts";
import type { Observation } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import { schemasOfPath } from "../core/search-path.ts";
import type { Step } from "../core/step.ts";
import { versionTableOf } from "../core/version-table.ts";
import { pastThePooler } from "../core/ways-out.ts";
import type { Database } from "../database/database.ts";
import { cancelBackends, upgradeName } from "../database/own-sessions.ts";
import { requireProgram } from "../tools/child.ts";
import type { Upgrade } from "../tools/tool.ts";
import { applyFiles, type ApplyOptions, refusePooler } from "./apply-files.ts";
import { notingBegun, upgradeByProgram } from "./apply-program.ts";
import type { Ending } from "./context.ts";
import type { ProjectScope, StepScope } from "./scope.ts";
import { openSession } from "./session.ts";
import { proveUpgradeAddress } from "./upgrade-address.ts";
import { whileWatching } from "./watch-locks.ts";

/** Does the work, of which nothing is done yet, and keeps an entry of it. */
export type Journaling = (work: () => Promise<Ending | null>) => Promise<Ending | null>;

/** Brings pending revisions in. @returns how it failed; null: done */
export async function upgrade(
  revisions: readonly string[],
  observation: Observation,
  scope: StepScope,
  journaling: Journaling,
): Promise<Ending | null> {
  const { upgrade: how } = scope.project.found;
  if (how.kind === "native")
    return await upgradeNatively(how, revisions, observation, scope, journaling);
  const argv = upgradeCommand(how, scope);
  const { cwd } = how.commands;
  requireProgram(argv, { cwd, env: scope.context.env });
  const table = versionTableOf(observation, scope.project.versionTable);
  const proof = await proveUpgradeAddress(how.commands, table, scope);
  if (proof.kind === "failed") return proof.ending;
  return await journaling(() =>
    notingBegun(revisions, observation, scope, () =>
      upgradeByProgram(argv, cwd, proof.variables, scope),
    ),
  );
}

type ByProgram = Extract<Upgrade, { readonly kind: "command" }>;

function upgradeCommand(
  { commands }: ByProgram,
  { settings }: Pick<StepScope, "settings">,
): readonly string[] {
  return settings.upgradeCommand ?? commands.upgrade("heads");
}

/** Where a program is to upgrade, `run` needs it. Starts nothing. Throws CannotJudge `missing-input`. */
export function requireUpgradeProgram(steps: readonly Step[], scope: ProjectScope): void {
  const { upgrade: how } = scope.project.found;
  if (how.kind === "native" || steps.every(({ kind }) => kind !== "upgrade")) return;
  const { env } = scope.context;
  requireProgram(upgradeCommand(how, scope), { cwd: how.commands.cwd, env });
}

/** Rows are replaced in the very table alone that the upgrade's program reads. @returns why not; null: it does */
export async function proveVersionTable(
  unknownRows: readonly string[],
  observation: Observation,
  scope: StepScope,
): Promise<Ending | null> {
  const { upgrade: how } = scope.project.found;
  if (how.kind === "native") return null;
  const table = versionTableOf(observation, scope.project.versionTable);
  const proof = await proveUpgradeAddress(how.commands, table, scope, unknownRows);
  return proof.kind === "failed" ? proof.ending : null;
}

async function upgradeNatively(
  { load }: Extract<Upgrade, { readonly kind: "native" }>,
  revisions: readonly string[],
  observation: Observation,
  { database, project, settings, context, askForSlots }: StepScope,
  journaling: Journaling,
): Promise<Ending | null> {
  const { ddlLockTimeout } = settings;
  if (ddlLockTimeout !== null)
    context.log({
      level: "info",
      event: "migrate.limits",
      msg: `a statement that changes the schema waits at most ${ddlLockTimeout / 1000}s for its locks (--ddl-lock-timeout), and is tried again`,
      ddlLockTimeoutMs: ddlLockTimeout,
    });
  const applicationName = upgradeName(context.runId);
  const onWaiting = (): void => void askForSlots();
  const session = await openSession(settings, context, {
    applicationName,
    toWrite: true,
    onWaiting,
    ...pathTo(observation),
  });
  try {
    await requireHome(session, observation);
    const migrations = await load(revisions);
    const options: ApplyOptions = {
      session,
      layout: project.versionTable.layout,
      table: versionTableOf(observation, project.versionTable),
      progress: observation.progress,
      ddlLockTimeout,
      timeout: settings.upgradeTimeout,
      openSecond: async () => await openSession(settings, context, { toWrite: true, onWaiting }),
      applicationName,
      cancel: async () => await cancelBackends(database, applicationName),
      onApplied: (version) => {
        const before = context.record.recordedAfter ?? [];
        context.record.recordedAfter = [
          ...recordedOf(project.knowledge.history, [...before, version]),
        ];
      },
      context,
    };
    await refusePooler(migrations, options);
    return await journaling(() =>
      whileWatching(applicationName, { settings, context }, () => applyFiles(migrations, options)),
    );
  } finally {
    await session.close();
  }
}

/** Files that name no schema make their objects in the first one of the path. */
function pathTo({ home, role }: Observation): { readonly searchPath?: readonly string[] } {
  if (home.createsIn === home.schema) return {};
  return { searchPath: [...new Set([home.schema, ...role.searchPath])] };
}

async function requireHome(session: Database, { home }: Observation): Promise<void> {
  if (home.createsIn === home.schema) return;
  const [row] = await session.query<{ readonly path: string }>(
    "SELECT pg_catalog.current_setting('search_path') AS path",
  );
  if (schemasOfPath(row?.path ?? "")[0] === home.schema) return;
  throw new CannotJudge(
    "config",
    `the session that applies the files should have ${home.schema} first in its search_path and has ${row?.path ?? "none"}: something on the way, such as a pooler, drops start-up options`,
    [pastThePooler],
  );
}
