import path from "node:path";
import { placeKey } from "../core/facts.ts";
import type { History } from "../core/history.ts";
import { factAtHome } from "../core/home.ts";
import type { Ledger } from "../core/ledger.ts";
import { CannotJudge } from "../core/outcome.ts";
import { refuse } from "../core/refusals.ts";
import { isNamed, varies, varyingPlaces } from "../core/varying.ts";
import { count, enumerate, nameFact } from "../core/words.ts";
import { continues, type Replay, writeLedger } from "../core/write-ledger.ts";
import { factsQuery } from "../database/facts.sql.ts";
import { type Command, type Context, type Ending, ready } from "../engine/context.ts";
import { endRefused, refuseHistory } from "../engine/events.ts";
import { type Project, readProject, sayRemarks } from "../engine/project.ts";
import type { ProjectScope } from "../engine/scope.ts";
import { scratchPreludes, scratchUpgrade } from "../engine/scratch-upgrade.ts";
import { describeProtection, endProtection, type Protection } from "../ledger/confinement.ts";
import { refuseMissingExtensions, refusePlainCreation, standIns } from "../ledger/extensions.ts";
import { otherHistory, saveLedger } from "../ledger/file.ts";
import { bakeSchema } from "../ledger/instrument.sql.ts";
import { type ReplayedHistory, replayHistory } from "../ledger/replay.ts";
import { openScratch, type Scratch } from "../ledger/scratch.ts";
import { conditionOf } from "../pgsql/condition.ts";
import { historyFlags } from "../settings/command-line.ts";
import type { Settings } from "../settings/settings.ts";
import type { ManagedExtension } from "../tools/tool.ts";

export const bake: Command = {
  name: "bake",
  usage: "preflight bake [flags]",
  about: "at build time: replay the migrations on a scratch PostgreSQL and write the ledger",
  flags: [
    ...historyFlags,
    "ledger",
    "version-table",
    "upgrade-command",
    "program-env",
    "env-file",
    "check",
    "scratch-url",
    "scratch-image",
    "scratch-init",
    "scratch-without",
    "scratch-unconfined",
    "varies",
  ],
  connects: "scratch",
  prints: "verdict",
  starts: false,
  words: null,
  becomes: null,
  start: replayOrCompare,
};

/** Build time: replays the history on a scratch server and writes down what every revision makes. */
async function replayOrCompare(settings: Settings, context: Context): Promise<Ending> {
  const reading = await readProject(settings, context, { isRewritten: !settings.bakeCheck });
  if (reading.kind === "broken") return refuseHistory(reading.faults, context);
  sayRemarks(reading.project, context);
  return settings.bakeCheck
    ? compare(reading.project, context)
    : await replayAndWrite({ project: reading.project, settings, context });
}

/** `bake --check`: files against ledger, no database. */
function compare({ knowledge, ledger, ledgerPath }: Project, context: Context): Ending {
  const { status } = knowledge;
  if (status === "verified") {
    context.log({ level: "info", event: "ledger.verified", msg: `${ledgerPath} is up to date` });
    if (ledger?.home.kind === "unknown")
      context.log({
        level: "warn",
        event: "ledger.first-release",
        msg: `${ledgerPath} was baked by the first release: it holds for the schema public alone, and cannot show that a data migration ran; run \`preflight bake\` and commit the file`,
      });
    return ready;
  }
  const refusal =
    status === "absent"
      ? refuse("no-ledger", ledgerPath)
      : refuse("stale-ledger", ledgerPath, knowledge);
  return endRefused(refusal, context);
}

async function replayAndWrite(scope: ProjectScope): Promise<Ending> {
  const { project, settings, context } = scope;
  const { found, knowledge, ledgerPath, versionTable } = project;
  const { history } = knowledge;
  const started = context.now();
  const log = (msg: string, fields = {}): void =>
    context.log({ level: "line" in fields ? "debug" : "info", event: "bake", msg, ...fields });

  sayEnvironment(project, context);
  const deleted = await found.readDeleted();
  const managed = await found.readExtensions();
  const named = namedWithout(project, settings);
  const isProgram = found.upgrade.kind === "command";
  const scratch = await openScratch({
    url: settings.scratch,
    image: settings.scratchImage,
    searchFrom: [found.root, context.cwd, context.programDirectory],
    env: context.env,
    preludes: [
      ...(isProgram && named.length > 0 ? [standIns(named)] : []),
      ...(await scratchPreludes(scope)),
    ],
    signal: context.signal,
    log,
  });
  const varying = settings.varies ?? [];
  const before = varyingPlaces(project.ledger);
  let protection: Protection | null = null;
  try {
    const without = passedOver({ found, history, named, managed }, scratch);
    const names = [...without.keys()];
    refuseMissingExtensions(scratch, managed, names, context.env);
    if (isProgram) refusePlainCreation(managed, names);
    const upgrade = await scratchUpgrade(scratch, scope, { without: names, log });
    if (upgrade.kind === "command") protection = upgrade.protection;
    const replay = await replayHistory({
      scratch,
      history,
      upgrade,
      versionTable: { schema: versionTable.schema, name: versionTable.name },
      readPath: found.readPath,
      isVarying: (fact) => isNamed(fact, varying) || before.has(placeKey(fact)),
      conditionOf,
      factsQuery: factsQuery({
        scope: null,
        rare: true,
        rights: "given",
        ignoreSchemas: [bakeSchema],
        ignoreRelations: [versionTable],
      }),
      log,
      signal: context.signal,
    });
    const ledger = writeLedger(history, { ...toReplay(replay), without }, project.ledger, deleted);
    if (project.ledger !== null && !continues(ledger, project.ledger, history))
      throw otherHistory(ledgerPath);
    refuseUnfound(varying, ledger);
    const { bytes } = await saveLedger(ledgerPath, ledger);
    context.record.ledger = "verified";
    context.record.actedMs = Math.round(context.now() - started);
    const states = ledger.states.length - 1;
    context.log({
      level: "info",
      event: "bake.done",
      msg: `${path.relative(context.cwd, ledgerPath) || ledgerPath}: ${count(ledger.revisions.size, "revision")}, ${count(states, "state")}, ${count(ledger.facts.length, "fact")}, ${bytes} bytes`,
      bytes,
      revisions: ledger.revisions.size,
      states,
      replays: replay.replays,
      home: ledger.home.kind,
    });
    sayLimits(ledger, context);
    if (protection !== null) log(describeProtection(protection));
    return ready;
  } finally {
    if (protection !== null) await endProtection(protection);
    await scratch.close();
  }
}

/** What an earlier bake was told need not be told again. */
function namedWithout({ ledger }: Project, { scratchWithout }: Settings): readonly string[] {
  return [...new Set([...(scratchWithout ?? []), ...(ledger?.without.keys() ?? [])])].sort();
}

/** What a program executes is not all seen: then a person's word has to do. */
function passedOver(
  options: Pick<Project, "found"> & {
    readonly history: History;
    readonly named: readonly string[];
    readonly managed: readonly ManagedExtension[];
  },
  { extensions }: Scratch,
): Ledger["without"] {
  const { found, history, named, managed } = options;
  const isCreated = (extension: string): boolean =>
    managed.some(({ name, does }) => does === "creates" && name === extension);
  const names = named.filter(
    (name) => !extensions.has(name) && (found.upgrade.kind === "command" || isCreated(name)),
  );
  return new Map(
    names.map((extension) => {
      const its = managed.filter(({ name }) => name === extension);
      const idsWhere = (does: ManagedExtension["does"]): readonly string[] =>
        [...history.revisions.values()].flatMap(({ id, file }) =>
          its.findLast((each) => each.file === file)?.does === does ? [id] : [],
        );
      return [extension, { created: idsWhere("creates"), dropped: idsWhere("drops") }];
    }),
  );
}

/** What a replay makes may then be the build machine's own. */
function sayEnvironment({ knowledge: { history } }: Project, { log }: Context): void {
  const readers = [...history.revisions.values()].filter((each) => each.readsEnvironment);
  if (readers.length === 0) return;
  log({
    level: "warn",
    event: "bake.environment",
    msg: `what these migrations make may differ from one deployment to the next, since they read the environment or settings: ${enumerate(readers.map(({ file }) => file))}. What does differ can be named: --varies`,
  });
}

/** What the ledger cannot tell. */
function sayLimits(ledger: Ledger, context: Context): void {
  sayVarying(ledger, context);
  if (ledger.without.size > 0)
    context.log({
      level: "warn",
      event: "bake.without",
      msg: `passed over, since the scratch server lacks them: ${[...ledger.without.keys()].join(", ")}. No migration failed for want of them, and the ledger says nothing of them: that they are in a database is no evidence, and where they are not, nothing that creates them is stamped`,
    });
  if (ledger.home.kind === "bound")
    context.log({
      level: "warn",
      event: "bake.public-only",
      msg: "this history works only where public is the first schema of the search_path: of a database that lives in another schema the ledger proves nothing, and an upgrade there is refused",
    });
}

function sayVarying(ledger: Ledger, { log }: Context): void {
  const names = ledger.facts
    .filter(({ definition }) => definition === varies)
    .map((fact) => nameFact(factAtHome(fact, "public")));
  if (names.length === 0) return;
  log({
    level: "warn",
    event: "bake.varies",
    msg: `not compared, only that it is there, since it is not the same each time: ${enumerate([...new Set(names)], 20)}`,
  });
}

/** @throws CannotJudge `config` */
function refuseUnfound(named: readonly string[], ledger: Ledger): void {
  const facts = ledger.facts.map((fact) => factAtHome(fact, "public"));
  const unfound = named.filter((name) => !facts.some((fact) => isNamed(fact, [name])));
  if (unfound.length === 0) return;
  throw new CannotJudge(
    "config",
    `--varies ${enumerate(unfound)}: no migration makes anything of this name`,
    ["name it as messages do: public.totals, public.orders.region, public.refresh(integer)"],
  );
}

function toReplay({
  revisions,
  givenSchemas,
  aliases,
  ...replay
}: ReplayedHistory): Omit<Replay, "without"> {
  return {
    ...replay,
    given: givenSchemas,
    spellings: aliases,
    atomic: new Set([...revisions].flatMap(([id, { isAtomic }]) => (isAtomic ? [id] : []))),
    data: new Map(
      [...revisions].map(
        ([id, { writes, reads }]) =>
          [id, writes.length > 0 ? "writes" : reads.length > 0 ? "reads" : "none"] as const,
      ),
    ),
  };
}
