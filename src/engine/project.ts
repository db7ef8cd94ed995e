import path from "node:path";
import type { History, HistoryFault } from "../core/history.ts";
import { combine, type HomeName, type Knowledge } from "../core/knowledge.ts";
import { type Ledger, sharesRevision } from "../core/ledger.ts";
import type { MigrationTool } from "../core/migration-tool.ts";
import { CannotJudge } from "../core/outcome.ts";
import { ledgerAsSpelled } from "../core/spelling.ts";
import type { VersionTableName } from "../core/version-table.ts";
import { rightLedger } from "../core/ways-out.ts";
import type { WantedTable } from "../database/look.sql.ts";
import { otherHistory, readLedger } from "../ledger/file.ts";
import { settingsTable } from "../settings/settings-table.ts";
import type { Settings } from "../settings/settings.ts";
import { findHistory } from "../tools/registry.ts";
import type { FoundHistory, Vouched } from "../tools/tool.ts";
import type { Context } from "./context.ts";

/** What the image holds: migration files, and the ledger baked beside them. */
export type Project = {
  readonly found: FoundHistory;
  /** As it is in the file, relative to the home. */
  readonly ledger: Ledger | null;
  readonly knowledge: Knowledge;
  /** What the image knows of a database whose history lives there. */
  readonly knowledgeAt: (home: HomeName) => Knowledge;
  readonly ledgerPath: string;
  readonly versionTable: WantedTable;
};

export type ProjectReading =
  | { readonly kind: "project"; readonly project: Project }
  | { readonly kind: "broken"; readonly faults: readonly HistoryFault[] };

type HowRead = {
  /** The ledger is about to be written anew: what is read must not rest on it. */
  readonly isRewritten: boolean;
  /** What the files say in words is wanted besides the ledger. */
  readonly wantsSketch?: boolean;
};

export async function readProject(
  settings: Settings,
  context: Context,
  how: HowRead = { isRewritten: false },
): Promise<ProjectReading> {
  const { migrations, tool } = settings;
  const { cwd, env } = context;
  const candidate = await findHistory({ cwd, env, migrations, tool }, context.tools);
  context.record.tool = candidate.tool.name;
  const ledgerPath =
    settings.ledger === null
      ? path.join(candidate.ledgerDirectory, "preflight.ledger.json")
      : path.resolve(cwd, settings.ledger);
  const { isRewritten, wantsSketch = false } = how;
  // Whoever writes the file that a person names makes it; everybody else needs it to be there.
  const read = await readLedger(ledgerPath, { required: settings.ledger !== null && !isRewritten });
  const baked = read.kind === "ledger" ? read.ledger : null;

  refuseForProgram(settings, candidate.tool);
  const found = await candidate.read(vouchedBy(isRewritten || wantsSketch ? null : baked));
  if (found.upgrade.kind === "command" && settings.upgradeCommand !== null)
    found.upgrade.commands.refuseOther(settings.upgradeCommand);
  for (const warning of found.warnings)
    context.log({ level: "warn", event: "history.warning", msg: warning });
  if (found.graph.kind === "broken") return { kind: "broken", faults: found.graph.faults };
  if (read.kind === "unusable") throw read.fault;
  refuseLedgersTool(baked, ledgerPath, context);
  const { history } = found.graph;
  const ledger = baked === null ? null : ledgerAsSpelled(baked, history);
  // Files that replace all those before them share no revision with these: whether they make the same, a bake sees.
  if (ledger !== null && !isRewritten && !sharesRevision(ledger, history))
    throw otherHistory(ledgerPath);
  refuseUnknownWord(settings.policy.assume, history);

  const isPathUnknown = ledger === null || ledger.home.kind === "unknown";
  const particulars = { ...found, programsPath: isPathUnknown ? await found.readPath() : [] };
  const knowledgeAt = lastOf((home: HomeName) => combine(history, ledger, particulars, home));
  const knowledge = knowledgeAt({ schema: "public", spelled: "public" });
  context.record.ledger = knowledge.status;
  sayHistory(knowledge, context);
  // What a bake was told needs not be told again.
  const table = isRewritten ? null : (ledger?.versionTable ?? null);
  const layout = found.tool.versionTable;
  const told = settings.versionTable ?? table ?? (await programsTable(found, context));
  const versionTable = { layout, ...(told ?? layout.usual) };
  const project = { found, ledger, knowledge, knowledgeAt, ledgerPath, versionTable };
  return { kind: "project", project };
}

async function programsTable(
  { readTable, tool }: FoundHistory,
  { log }: Context,
): Promise<VersionTableName | null> {
  const read = await readTable();
  if (read?.kind === "unread")
    log({
      level: "warn",
      event: "history.version-table",
      msg: `${read.where} names the version table by ${read.says}, which only a run can tell: where that is not ${tool.versionTable.usual.name} in the first schema of the search_path, say so: --version-table SCHEMA.NAME`,
    });
  return read?.kind === "named" ? read.table : null;
}

/** Said where the files are worked on, not at each start. */
export function sayRemarks({ found }: Project, { log }: Context): void {
  for (const msg of found.remarks) log({ level: "warn", event: "history.warning", msg });
}

/** Every look of a run finds the same home, as a rule: a ledger is opened for it once. */
function lastOf(make: (home: HomeName) => Knowledge): (home: HomeName) => Knowledge {
  let last: { readonly spelled: string; readonly knowledge: Knowledge } | null = null;
  return (home) => {
    if (last?.spelled !== home.spelled) last = { spelled: home.spelled, knowledge: make(home) };
    return last.knowledge;
  };
}

function refuseForProgram(
  { upgradeCommand, programEnv }: Settings,
  { name, appliedBy }: MigrationTool,
): void {
  if (appliedBy === "program" || (upgradeCommand === null && programEnv === null)) return;
  const flag = upgradeCommand === null ? "program-env" : "upgrade-command";
  throw new CannotJudge(
    "config",
    `--${flag} is for Alembic: a history of the tool '${name}' is applied by preflight itself`,
    [`leave it out (${settingsTable[flag].variable}, too)`],
  );
}

/** The same files may have been another known tool's when they were baked; what an unknown one means by its rows, nobody can say. */
function refuseLedgersTool(ledger: Ledger | null, file: string, { tools }: Context): void {
  if (ledger === null || tools.some(({ name }) => name === ledger.tool)) return;
  throw new CannotJudge(
    "config",
    `the ledger ${file} is of a migration tool that this version does not know: ${ledger.tool}`,
    [rightLedger, "or use the version of preflight that baked it, or a newer one"],
  );
}

function refuseUnknownWord(assume: string | null, { revisions }: History): void {
  if (assume === null || assume === "base" || revisions.has(assume)) return;
  throw new CannotJudge("config", `--assume ${assume}: no migration file has this revision`, [
    "give a whole revision id, or base for a database without any of this history's tables",
  ]);
}

/** A ledger of the first release may count as absent for this database's home: then the files themselves are needed. */
function vouchedBy(ledger: Ledger | null): Vouched {
  if (ledger?.home.kind === "unknown") return new Map();
  return new Map([...(ledger?.revisions.values() ?? [])].map((each) => [each.file, each]));
}

function sayHistory({ history, status }: Knowledge, { log }: Context): void {
  const { revisions, heads } = history;
  log({
    level: "debug",
    event: "history.read",
    msg: `${revisions.size} revisions, heads ${heads.join(", ")}, ledger ${status}`,
  });
  if (heads.length > 1)
    log({
      level: "warn",
      event: "history.heads",
      msg: `the history has ${heads.length} heads: ${heads.join(", ")}. All of them are the target. If that is not meant, merge them in development: alembic merge heads`,
    });
}
