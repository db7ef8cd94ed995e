import { claimOf, recordedOf, rowsFor } from "./claim.ts";
import { diagnose } from "./diagnose.ts";
import { differences } from "./difference.ts";
import { gather } from "./gather.ts";
import { type History, maximal } from "./history.ts";
import { isOf, type JournalEntry, type JournalKey, sameRows, standing } from "./journal.ts";
import { factsOfHeads, touchesRows } from "./ledger.ts";
import type { Observation } from "./observation.ts";
import { CannotJudge } from "./outcome.ts";
import { planFor } from "./plan.ts";
import { refuse, seriousOf } from "./refusals.ts";
import { situate } from "./situation.ts";
import { tableAsSpelled } from "./spelling.ts";
import type { Plan, PlanBasis, Policy, Step } from "./step.ts";
import { provenHeads, type Verdict } from "./verdict.ts";
import { journalKey, type VersionTableName } from "./version-table.ts";
import { bakeWhenBuilt, writeOtherRows } from "./ways-out.ts";
import { describeDifference, describeStep, enumerate, nameHeads, nameRevision } from "./words.ts";

/** What a person wants of the database. */
export type Request =
  /** That this image may start: what has to be done, the evidence says. */
  | { readonly kind: "start" }
  | {
      readonly kind: "stamp";
      /** Ids, or `base` alone for none. */
      readonly revisions: readonly string[];
      readonly force: boolean;
    }
  | {
      readonly kind: "undo";
      /** Null: the newest stamp that stands. */
      readonly entry: number | null;
      readonly force: boolean;
    }
  | {
      readonly kind: "repair";
      /** Null: what the version rows promise. */
      readonly to: string | null;
      /** Tables and columns that may be made anew although a data migration may have filled them. */
      readonly acceptEmpty: readonly string[];
    };

export type ByHandBasis = PlanBasis & {
  readonly policy: Policy;
  readonly versionTable: VersionTableName;
};

/** What would be found, and what `run` would do, if these were the version rows. Pure: nothing is asked again. */
function outlook(
  rows: readonly (string | null)[],
  { knowledge, observation, policy }: Pick<ByHandBasis, "knowledge" | "observation" | "policy">,
): { readonly verdict: Verdict; readonly plan: Plan } {
  const seen = withRows(rows, { knowledge, observation });
  const verdict = diagnose(knowledge, seen);
  const plan = planFor(verdict, policy, { knowledge, observation: seen, assumption: null });
  return { verdict, plan };
}

/** Of a table that is not there yet everything is as the tool makes it. */
export function withRows(
  rows: readonly (string | null)[],
  { knowledge, observation }: Pick<ByHandBasis, "knowledge" | "observation">,
): Observation {
  const { versionTable, home } = observation;
  if (versionTable === null && rows.length === 0) return observation;
  const table = versionTable ?? {
    schema: home.schema,
    name: "",
    fileNames: new Map(),
    digests: new Map(),
    isDirty: false,
    unreadable: null,
    canRead: true,
    width: null,
    isTable: true,
    canWrite: true,
    isGuarded: false,
    owned: true,
  };
  const filled = { ...table, rows, stored: rows };
  return { ...observation, versionTable: tableAsSpelled(knowledge, filled) };
}

/** Throws CannotJudge: `config` for a revision that no file has, `missing-input` where nothing is known of what it makes. */
export function planStamp(
  { revisions, force }: Extract<Request, { readonly kind: "stamp" }>,
  verdict: Verdict,
  basis: ByHandBasis,
): Plan {
  const { knowledge, observation } = basis;
  const { history } = knowledge;
  if (verdict.kind === "broken-history") return refuse("broken-history", verdict.faults);
  if (verdict.kind === "unknown" && verdict.isOthersTable)
    return refuse("table-of-others", verdict);
  const to = wantedHeads(revisions, basis);
  const present = observation.versionTable?.rows ?? [];
  const past = present.filter((row) => row !== null);
  const rows = rowsFor(history, to, past);
  if (observation.versionTable !== null && sameRows(present, rows)) return { kind: "start" };
  // Where the schema shows that they did not run, it is the rows that are wrong.
  const mayHaveRun = "dataMigrations" in verdict && verdict.dataMigrations.length > 0;
  const isProven = provenHeads(verdict)?.join() === to.join() && !mayHaveRun;
  const whys = [
    ...contradictions(rows, verdict, basis),
    ...(isProven ? [] : repeated(rows, basis)),
  ];
  if (whys.length > 0 && !force) return refuse("stamp-contradicted", to, whys, history);
  return {
    kind: "act",
    steps: [{ kind: "stamp", from: verdict.recorded, to, because: "asked" }],
    inSpiteOf: whys,
  };
}

export function wantedHeads(
  revisions: readonly string[],
  { knowledge }: ByHandBasis,
): readonly string[] {
  const { history, ledger, status } = knowledge;
  const ids = revisions.filter((id) => id !== "base");
  for (const id of ids) {
    if (history.revisions.has(id)) continue;
    const isRetired = ledger?.revisions.has(id) === true;
    throw new CannotJudge(
      "config",
      isRetired
        ? `the file of revision ${id} is no longer in this image: the next run could not go on from there`
        : `no migration file has the revision ${id}`,
      isRetired
        ? ["use an image that has the file", sayStatus]
        : ["give a whole revision id, or base for none", sayStatus],
    );
  }
  const heads = maximal(history, ids);
  const isKnown = ledger !== null && factsOfHeads(ledger, history, heads) !== null;
  if (isKnown || heads.length === 0) return heads;
  throw new CannotJudge(
    "missing-input",
    `nothing says what ${nameHeads(heads, history)} makes: ${status === "absent" ? "there is no ledger" : "the ledger is older than the files"}, so that nothing could be checked against it`,
    [bakeWhenBuilt],
  );
}

const sayStatus = "preflight status lists them all";

/** What speaks against these rows, in words. */
function contradictions(
  rows: readonly (string | null)[],
  present: Verdict,
  basis: ByHandBasis,
): readonly string[] {
  const { history } = basis.knowledge;
  // What is let pass at a start is no evidence for a stamp.
  const { verdict, plan } = outlook(rows, { ...basis, policy: { ...basis.policy, drift: "fail" } });
  const fromNewer =
    present.kind === "ahead"
      ? [`a newer image has brought this database to ${present.unknownRows.join(", ")}`]
      : [];
  if (plan.kind === "start") return fromNewer;
  switch (verdict.kind) {
    case "behind":
    case "overlapping":
    case "fresh":
      return fromNewer;
    default: {
      const proven = provenHeads(verdict);
      const differing = differencesFrom(rows, basis);
      if (verdict.kind === "drifted" && differing.length === 0) return fromNewer;
      return [
        ...fromNewer,
        ...(proven === null ? [] : [`the schema is exactly that of ${nameHeads(proven, history)}`]),
        ...(proven === null && differing.length === 0 ? [sayPlan(plan, history)] : []),
        ...(differing.length === 0 ? [] : [enumerate(differing)]),
      ];
    }
  }
}

/** What would not be let pass if these were the rows, in words. */
function differencesFrom(
  rows: readonly (string | null)[],
  { knowledge, observation }: ByHandBasis,
): readonly string[] {
  const { history, claim, ledger, live, expected } = situate(
    knowledge,
    withRows(rows, { knowledge, observation }),
  );
  if (ledger === null || live === null || expected === null) return [];
  const all = differences(ledger, history, claim.applied, expected, live);
  return gather(seriousOf(all)).map((each) => describeDifference(each, history));
}

/** Data migrations that ran, by the rows, and would be pending. */
function repeated(
  rows: readonly (string | null)[],
  { knowledge, observation }: ByHandBasis,
): readonly string[] {
  const { history, ledger } = knowledge;
  if (ledger === null) return [];
  const named = (each: readonly (string | null)[]) => each.filter((row) => row !== null);
  const now = claimOf(history, named(observation.versionTable?.rows ?? [])).applied;
  const then = claimOf(history, named(rows)).applied;
  const again = [...now].filter((id) => !then.has(id) && touchesRows(ledger, id));
  return again.length === 0
    ? []
    : [
        `the next run would run data migrations again that have run, by the rows: ${enumerate(again.map((id) => nameRevision(id, history)))}`,
      ];
}

/** What `run` would do. */
export function sayPlan(plan: Plan, history: History): string {
  switch (plan.kind) {
    case "start":
      return "the next run would start the application";
    case "refuse":
      return `the next run would refuse: ${plan.reason}`;
    case "act":
      return `the next run would ${plan.steps.map((step) => describeStep(step, history)).join(", then ")}`;
  }
}

/**
 * Takes a stamp back: the rows as they were. Not where something has gone on from there: what an upgrade did to the schema stays.
 * Throws CannotJudge: `config` for an entry that is not there or was taken back, `missing-input` where there is none.
 */
export function planUndo(
  { entry: asked, force }: Extract<Request, { readonly kind: "undo" }>,
  verdict: Verdict,
  basis: ByHandBasis,
): Plan {
  const { knowledge, observation, versionTable } = basis;
  const { history } = knowledge;
  if (verdict.kind === "broken-history") return refuse("broken-history", verdict.faults);
  const key = journalKey(history.tool, observation, versionTable);
  if (observation.journal === null)
    throw new CannotJudge("missing-input", "there is no journal here that can be read", [
      "preflight history says why",
    ]);
  const own = observation.journal.filter((entry) => isOf(entry, key));
  const entry = chosenEntry(asked, own, key);
  const after = own.filter(({ entry: number }) => number > entry.entry);
  const upgrade = entry.kind === "upgrade" ? entry : standing(after, key).find(hasChanged);
  if (upgrade !== undefined) return refuse("undo-past-upgrade", entry, upgrade, history);
  const now = observation.versionTable?.stored ?? [];
  if (!sameRows(now, entry.rowsAfter ?? [])) return refuse("undo-moved", entry, now, history);
  const whys =
    entry.rowsBefore.length === 0 ? [] : contradictions(entry.rowsBefore, verdict, basis);
  if (whys.length > 0 && !force) return refuse("undo-contradicted", entry, whys, history);
  const named = entry.rowsBefore.map((row) => row ?? "NULL");
  const to = recordedOf(history, named);
  const step: Step = { kind: "undo", entry: entry.entry, from: verdict.recorded, to };
  return { kind: "act", steps: [step], inSpiteOf: whys };
}

const sayHistory = "preflight history lists what there is";

function chosenEntry(
  asked: number | null,
  own: readonly JournalEntry[],
  key: JournalKey,
): JournalEntry {
  const stands = standing(own, key);
  const chosen =
    asked === null
      ? stands.findLast((entry) => entry.kind === "stamp" || hasChanged(entry))
      : own.find(({ entry }) => entry === asked);
  if (chosen === undefined)
    throw new CannotJudge(
      asked === null ? "missing-input" : "config",
      asked === null
        ? `the journal has no stamp of ${key.versionTable} that could be taken back`
        : `the journal has no entry ${asked} of ${key.versionTable}`,
      [sayHistory],
    );
  if (chosen.kind === "widen")
    throw new CannotJudge(
      "config",
      `entry ${chosen.entry} widened the version column and left its rows alone: there is nothing to take back`,
      [sayHistory],
    );
  if (chosen.kind === "repair")
    throw new CannotJudge(
      "config",
      `entry ${chosen.entry} is a repair, which has left the version rows alone: there are none to put back`,
      ["what it made, a person may drop: preflight history --json lists it"],
    );
  const undone = own.find(({ undoes }) => undoes === chosen.entry);
  if (undone !== undefined || chosen.kind === "undo")
    throw new CannotJudge(
      "config",
      undone === undefined
        ? `entry ${chosen.entry} took a stamp back itself`
        : `entry ${chosen.entry} was taken back already, by entry ${undone.entry}`,
      [writeOtherRows],
    );
  return chosen;
}

/** An upgrade. One that failed and left the rows alone is in nobody's way. */
function hasChanged({ kind, state, rowsBefore, rowsAfter }: JournalEntry): boolean {
  if (kind !== "upgrade") return false;
  return state !== "failed" || rowsAfter === null || !sameRows(rowsBefore, rowsAfter);
}
