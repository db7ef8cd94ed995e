import type { Assumption } from "../core/assume.ts";
import { claimOf } from "../core/claim.ts";
import type { Difference } from "../core/difference.ts";
import { isReported, someHoldRows } from "../core/facts.ts";
import { gather, type Gathered } from "../core/gather.ts";
import type { History, HistoryFault } from "../core/history.ts";
import { journalTable } from "../core/journal.ts";
import type { Knowledge } from "../core/knowledge.ts";
import { touchesRows } from "../core/ledger.ts";
import type { Migration } from "../core/migration.ts";
import { refuse } from "../core/refusals.ts";
import type { Refusal, Step } from "../core/step.ts";
import { differencesOf, provenHeads, type Verdict } from "../core/verdict.ts";
import { underOtherVersions } from "../core/ways-out.ts";
import {
  describeDifference,
  describeStep,
  enumerate,
  nameHeads,
  nameRevision,
  sayBroughtBy,
} from "../core/words.ts";
import type { Log, LogEvent } from "../report/log.ts";
import type { VerdictLine } from "../report/verdict-schema.ts";
import { describePlace } from "../settings/program-address.ts";
import type { Settings } from "../settings/settings.ts";
import type { Assessment } from "./assess.ts";
import type { Context, Ending } from "./context.ts";
import type { Project } from "./project.ts";
import type { RunScope } from "./scope.ts";

/** The first diagnosis goes into the verdict line, and its evidence into the log. */
export function recordDiagnosis(assessment: Assessment, { project, context }: RunScope): void {
  const { verdict, observation, knowledge } = assessment;
  const { record, log } = context;
  const { version } = observation.server;
  record.server = `${Math.floor(version / 10_000)}.${version % 10_000}`;
  record.verdict = verdict.kind;
  record.recorded = verdict.kind === "broken-history" ? null : [...verdict.recorded];
  record.recordedAfter = record.recorded;
  const rows = (observation.versionTable?.rows ?? []).map((row) => row ?? "NULL");
  const claim = claimOf(knowledge.history, rows);
  record.withoutFile = [...claim.withoutFile];
  record.skipped = [...claim.skipped];
  const proven = provenHeads(verdict);
  record.proven = proven && [...proven];
  if (claim.withoutFile.length > 0)
    log({
      level: "info",
      event: "rows.without-file",
      msg: `applied, and without a file in this image: ${claim.withoutFile.join(", ")}`,
    });
  warnOfRows(verdict, knowledge, log);
  warnOfLoss(assessment, log);
  warnOfAbsentHome(assessment, log);
  sayAssumption(assessment, context);
  const differences = differencesOf(verdict);
  record.drift = countDrift(differences);
  log({
    level: "info",
    event: "verdict",
    msg: summarise(verdict, knowledge.history),
    verdict: verdict.kind,
  });
  sayDifferences(differences, knowledge.history, log);
  record.ledger = knowledge.status;
  sayWhatIsUnknown(assessment, project, log);
}

/** To make it anew is right where it was never made; where somebody dropped it, a person must hear that it comes back empty. */
function warnOfLoss({ verdict, plan, knowledge }: Assessment, log: Log): void {
  if (verdict.kind !== "mismatched" || verdict.lacking.length === 0 || plan.kind !== "act") return;
  const all = knowledge.ledger?.facts ?? [];
  const names = gather(verdict.lacking).map((each) => describeDifference(each, knowledge.history));
  const held = someHoldRows(
    verdict.lacking.map(({ fact }) => fact),
    all,
  )
    ? ". If it was there and was dropped, what it held is gone, and is not made anew: look for it in a backup"
    : "";
  log({
    level: "warn",
    event: "mismatched.lacking",
    msg: `recorded as applied, not here, and made anew: ${enumerate(names)}${held}`,
  });
}

/** A name that was misspelt would be a new tenant's. */
function warnOfAbsentHome({ observation, knowledge }: Assessment, log: Log): void {
  const { home, role, server } = observation;
  if (home.by !== "setting" || Object.hasOwn(role.schemas, home.schema)) return;
  const others = Object.keys(role.schemas).filter(
    (name) => !/^pg_|^information_schema$/.test(name) && name !== journalTable.schema,
  );
  const makes = knowledge.history.tool.appliedBy === "preflight" ? "; an upgrade makes it" : "";
  log({
    level: "warn",
    event: "home.absent",
    msg: `database ${server.database} has no schema ${home.schema}, which --schema names${makes}. Is the name right? There are: ${enumerate(others.toSorted())}`,
  });
}

/** A person's word is never taken in silence, nor left lying: it would count the next time that nothing is proven. */
function sayAssumption(assessment: Assessment, { log }: Context): void {
  const { assumption, isPassedOver, plan } = assessment;
  if (assumption === null) return;
  if (isPassedOver) log(assumptionPassedOver(assumption, assessment));
  else if (plan.kind === "act" && assumption.kind === "holds") log(assumptionUsed(assumption));
}

function assumptionPassedOver(
  { revision }: Assumption,
  { verdict, knowledge }: Assessment,
): LogEvent {
  const recorded = verdict.kind === "broken-history" ? [] : verdict.recorded;
  const proven = provenHeads(verdict);
  const at = nameHeads(proven ?? recorded, knowledge.history);
  const isProven = "identified" in verdict && proven !== null;
  const how = isProven
    ? `the schema proves that this database is at ${at}`
    : `this database is ${verdict.kind}, at ${at}`;
  return {
    level: "warn",
    event: "assume.passed-over",
    msg: `--assume ${revision} is passed over: it counts only where nothing proves the revision, and ${how}. Take it away (PREFLIGHT_ASSUME, too), before it counts another time`,
  };
}

function assumptionUsed({
  revision,
  checked,
}: Extract<Assumption, { readonly kind: "holds" }>): LogEvent {
  const { tables, columns } = checked;
  const rests =
    tables === 0
      ? "nothing was checked"
      : `checked was only that what ${revision} needs is there (tables: ${tables}, columns: ${columns}), and no data`;
  return {
    level: "warn",
    event: "assume.used",
    msg: `ON YOUR WORD (--assume ${revision}): nothing proves where this database stands; ${rests}. Take it away afterwards (PREFLIGHT_ASSUME, too)`,
  };
}

function sayWhatIsUnknown(
  { verdict, observation, knowledge }: Assessment,
  { ledger }: Project,
  log: Log,
): void {
  const { schema } = observation.home;
  if (ledger === null) log(unverified("there is no ledger"));
  else if (knowledge.ledger === null)
    log(
      unverified(
        knowledge.isBoundElsewhere
          ? `the ledger holds for public alone, as the bake found out, and this database's schema is ${schema}`
          : `the ledger was baked by the first release, in public, and this database's schema is ${schema}; run \`preflight bake\``,
      ),
    );
  if (knowledge.unfiled.length > 0)
    log({
      level: "warn",
      event: "files.missing",
      msg: `applied, and without a file in this image, although the ledger calls them live: ${enumerate(knowledge.unfiled)}; copy them into the image, or run \`preflight bake\` if they were deleted on purpose`,
    });
  if (knowledge.status !== "stale") return;
  const lacks = `the ledger lacks ${enumerate(knowledge.lacking.map((id) => nameRevision(id, knowledge.history)))}; run \`preflight bake\``;
  const isCompared = verdict.kind !== "broken-history" && verdict.verified;
  log(
    isCompared
      ? {
          level: "warn",
          event: "ledger.stale",
          msg: `${lacks}. What ${knowledge.lacking.length === 1 ? "it makes" : "they make"} cannot be verified`,
        }
      : unverified(lacks),
  );
}

/** By hand, statements commit one by one: of a file that also changes rows the schema shows a part. */
function warnOfRows(verdict: Verdict, { history, ledger }: Knowledge, log: Log): void {
  if (verdict.kind !== "unversioned" || verdict.identified.kind !== "proven") return;
  if (history.tool.appliedBy === "program" || ledger === null) return;
  for (const newest of verdict.identified.heads.filter((id) => touchesRows(ledger, id)))
    log({
      level: "warn",
      event: "unversioned.rows",
      msg: `${newest} changes rows as well: if it was run by hand, see that all of it ran; the schema shows only its other statements`,
    });
}

export function sayStart({ verdict, knowledge, observation }: Assessment, { log }: Context): void {
  const { home, server } = observation;
  if (home.by === "table")
    log({
      level: "warn",
      event: "home.split",
      msg: `the version table and its tables are in schema ${home.schema}, and the search_path (${server.searchPath.join(", ")}) puts ${home.createsIn} first: the next migration would create its objects there and is going to be refused; put ${home.schema} first`,
    });
  if (verdict.kind === "ahead")
    log({
      level: "warn",
      event: "ahead",
      msg: `THIS IMAGE IS OLDER THAN THE DATABASE: it is at ${verdict.unknownRows.join(", ")}, which this image does not have${sayBroughtBy(verdict.broughtBy)}. ${
        verdict.lacking.length === 0
          ? `Everything that this image needs is still there, so it may start. Nothing was written.${underOtherVersions(
              verdict,
              knowledge.history.tool,
            )
              .map((way) => ` Or, ${way}.`)
              .join("")}`
          : "The schema lacks something that this image needs; it starts because of --ahead allow."
      }`,
    });
  if (verdict.kind === "drifted" && verdict.differences.some(({ tolerable }) => !tolerable))
    log({
      level: "warn",
      event: "drift.ignored",
      msg: "the schema is not what the revision makes; it starts because of --drift warn",
    });
}

function unverified(why: string): LogEvent {
  return {
    level: "warn",
    event: "unverified",
    msg: `the schema was not verified, only the version rows: ${why}`,
  };
}

/** What `run` would do; its files are read anew: a healthy start does not need what only a plan shows. */
export async function sayPlanned(
  steps: readonly Step[],
  { project, settings, context }: RunScope,
): Promise<void> {
  context.record.actions = planActions(steps);
  for (const step of steps)
    context.log({
      level: "info",
      event: "plan",
      msg: describeStep(step, project.knowledge.history),
    });
  const { upgrade } = project.found;
  if (upgrade.kind === "command") return sayOtherAddress(steps, settings, context);
  for (const step of steps)
    if (step.kind === "upgrade") sayHeaders(await upgrade.load(step.revisions), context);
}

/** Nothing has asked the program where the upgrade would work; `run` does. */
function sayOtherAddress(
  steps: readonly Step[],
  { programAddress, database }: Settings,
  { log }: Context,
): void {
  const isUpgrade = steps.some(({ kind }) => kind === "upgrade");
  if (programAddress === null || database === null || !isUpgrade) return;
  const { source, place, differs } = programAddress;
  const doubt =
    differs === "database"
      ? "run upgrades nothing if the program works there"
      : "that is right for a pooler, or for another name of the same server";
  log({
    level: "warn",
    event: "address.differs",
    msg: `the upgrade's program may take its address from ${source} (${describePlace(place)}), and the database that was judged is ${database.database} of ${database.source}: ${doubt}`,
  });
}

/** What the authors of pending files say of them: a person at 3 a.m. reads it here first. */
export function sayHeaders(migrations: readonly Migration[], { log }: Context): void {
  for (const { file, header, outside } of migrations) {
    const entries = header.map(({ label, text }) => `${label}: ${text.replaceAll("\n", " ")}`);
    if (outside !== null)
      entries.push(`runs statement by statement, outside of a transaction: ${outside.why}`);
    if (entries.length > 0)
      log({ level: "info", event: "plan.file", msg: `${file}: ${entries.join("; ")}`, file });
  }
}

export function endRefused(refusal: Refusal, { log }: Context): Ending {
  const { outcome, cause, reason, next } = refusal;
  sayRefusal(refusal, log, { cause });
  return { outcome, reason, next };
}

/** Nothing is asked of a database with such files. */
export function refuseHistory(faults: readonly HistoryFault[], context: Context): Ending {
  context.record.verdict = "broken-history";
  return endRefused(refuse("broken-history", faults), context);
}

export function sayRefusal({ outcome, reason, next }: Ending, log: Log, fields: object = {}): void {
  log({ level: "error", event: "refused", msg: `${outcome}: ${reason}`, ...fields });
  for (const way of next) log({ level: "info", event: "next", msg: `next: ${way}` });
}

export function planActions(steps: readonly Step[]): VerdictLine["actions"] {
  return steps.map((step) => {
    switch (step.kind) {
      case "stamp":
      case "undo":
        return { ...step, from: [...step.from], to: [...step.to] };
      case "upgrade":
        return { ...step, revisions: [...step.revisions] };
      case "widen":
        return step;
      case "repair": {
        const statements = step.batches.flatMap((batch) => batch.statements).length;
        return { kind: "repair", to: [...step.to], statements, left: step.left.length };
      }
    }
  });
}

function summarise(verdict: Verdict, history: History): string {
  switch (verdict.kind) {
    case "current":
      return `current: the database is at ${nameHeads(verdict.heads, history)}`;
    case "fresh":
      return `fresh: the database is empty, ${count(verdict.pending.length, "revision")} to run`;
    case "behind":
      return `behind: the database is at ${nameHeads(verdict.heads, history)}, ${count(verdict.pending.length, "revision")} to run`;
    case "unversioned":
      return `unversioned: there are tables and no version rows${identified(verdict, history)}`;
    case "mismatched":
      return `mismatched: the version rows say ${nameHeads(verdict.claimed, history)}${verdict.skipped.length === 0 ? "" : ` without ${verdict.skipped.join(", ")}`}${identified(verdict, history)}`;
    case "missing-file":
      return `missing-file: no file has the recorded ${verdict.gone.join(", ")}${identified(verdict, history)}`;
    case "overlapping":
      return `overlapping: ${verdict.redundant.join(", ")} is recorded beside ${nameHeads(verdict.heads, history)}, which includes it`;
    case "ahead":
      return `ahead: the database is at ${verdict.unknownRows.join(", ")}, which this image does not have`;
    case "drifted":
      return `drifted: the database is recorded at ${nameHeads(verdict.heads, history)}, and its schema differs in ${count(gather(verdict.differences).length, "thing")}`;
    case "partial":
      return "partial: a migration stopped half-way";
    case "unknown":
      return `unknown: ${verdict.why}`;
    case "broken-history":
      return `broken-history: ${count(verdict.faults.length, "fault")} in the migration files`;
  }
}

function identified(
  { identified: finding }: Extract<Verdict, { identified: unknown }>,
  history: History,
): string {
  if (finding.kind !== "proven") return "";
  const how = {
    facts: "",
    "soft-facts": " (and its comments and column order)",
    data: " (and so are the rows of its data migrations)",
    "no-ops": "",
    rows: " (and another tool's rows say the same)",
  };
  return `; the schema is exactly that of ${nameHeads(finding.heads, history)}${how[finding.by]}`;
}

/** Of a busy neighbour's tables, such as partitions by the hour, not every one at every start. */
const mostTolerated = 20;

/** What is not tolerable stands in the refusal, too. */
function sayDifferences(differences: readonly Difference[], history: History, log: Log): void {
  let tolerated = 0;
  let unsaid = 0;
  for (const { difference, parts } of gather(differences)) {
    let level = levelOf(difference);
    if (level === "info" && ++tolerated > mostTolerated) {
      unsaid += 1;
      level = "debug";
    }
    sayDifference({ difference, parts }, level);
    for (const part of parts) sayDifference({ difference: part, parts: [] }, "debug");
  }
  if (unsaid > 0)
    log({
      level: "info",
      event: "drift.more",
      msg: `${unsaid} more differences are tolerated: \`preflight check --verbose\` shows every one`,
    });

  function sayDifference(gathered: Gathered, level: LogEvent["level"]): void {
    const msg = describeDifference(gathered, history);
    log({ level, event: "drift", msg, tolerated: gathered.difference.tolerable });
  }
}

function levelOf(difference: Difference): "warn" | "info" | "debug" {
  if (difference.kind === "extra" && difference.warns) return "warn";
  if (difference.kind === "missing" && isReported(difference.fact)) return "warn";
  if (difference.kind === "changed" && difference.tolerable) return "warn";
  return difference.tolerable ? "info" : "debug";
}

function countDrift(differences: readonly Difference[]): VerdictLine["drift"] {
  const count = (kinds: readonly Difference["kind"][]): number =>
    differences.filter(({ kind }) => kinds.includes(kind)).length;
  return {
    missing: count(["missing"]),
    changed: count(["changed", "edited"]),
    extra: count(["extra", "in-the-way"]),
  };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
