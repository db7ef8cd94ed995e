import { claimOf, factsOfClaim, recordedOf, recordsEveryRevision } from "./claim.ts";
import { type Difference, differences, lackingOfDeployment } from "./difference.ts";
import { inDoubt, placesOf } from "./elsewhere.ts";
import { oursIn } from "./extras.ts";
import {
  type Fact,
  holdsRows,
  isInvalidIndex,
  isPremise,
  isSoft,
  schemaOf,
  tablesAmong,
} from "./facts.ts";
import { findHalfDone } from "./half-done.ts";
import { ancestors, maximal } from "./history.ts";
import { hasSameSoftFacts, type Identification, identify } from "./identify.ts";
import type { Knowledge } from "./knowledge.ts";
import {
  changeOf,
  factsOfHeads,
  factsOfState,
  headsKey,
  type OpenLedger,
  touchesRows,
} from "./ledger.ts";
import { progressTable } from "./migration.ts";
import { appliedByLedger } from "./missing-files.ts";
import { denialOf, headsOfNeighbour, neighbourOf, recordedBy } from "./neighbour.ts";
import type { Observation } from "./observation.ts";
import {
  dataPassedOver,
  editedFiles,
  editedRevisions,
  nothingPassedOver,
  unseenData,
} from "./data-migrations.ts";
import { renumberedRows } from "./renumbered.ts";
import { asSeen, recognise, type Sighting } from "./sighting.ts";
import { nearestSketch, sketchOf, tablesOf, unquoted } from "./sketch.ts";
import { type Finding, statesOf, type Verdict } from "./verdict.ts";
import type { TableName } from "./version-table.ts";
import { namePlaces } from "./words.ts";

/** A verdict for every history, ledger and observation. Total, and never throws. */
export function diagnose(knowledge: Knowledge, observation: Observation): Verdict {
  const { history } = knowledge;
  const table = observation.versionTable;
  const rows = (table?.rows ?? []).map((row) => row ?? "NULL");
  const claim = claimOf(history, rows);
  const { heads, strangers, skipped } = claim;
  const { ledger } = knowledge;
  const expected = ledger && factsOfClaim(ledger, history, claim);
  const verified = expected !== null;
  const places = placesOf(knowledge, observation);
  const live =
    ledger &&
    recognise(ledger, observation.facts, observation.server.version, knowledge.platformSchemas);
  const recorded = recordedOf(history, rows);
  const seen = { recorded, verified };
  const pending = [...history.revisions.keys()].filter((id) => !claim.applied.has(id));
  const isGraph = !recordsEveryRevision(history.tool);
  const edited = editedRevisions(knowledge, claim, table);
  const neighbour = neighbourOf(history, observation);
  const answers = observation.rows ?? [];

  if (table?.unreadable === "shape") {
    const why = `${table.schema}.${table.name} has not the columns of this tool's version table`;
    return { ...unknown(strangers, why), isOthersTable: true };
  }
  if (table?.isDirty === true) return dirty(table, rows);
  const interrupted = interruption();
  if (interrupted !== null) return interrupted;
  const renumbered = underOtherNumbers();
  if (renumbered !== null) return renumbered;
  if (strangers.length > 0) return diagnoseStrangers();
  if (rows.length === 0) return diagnoseWithoutRows();
  const invalid = invalidIndexes();
  if (invalid !== null) return invalid;
  return diagnoseRows();

  function diagnoseRows(): Verdict {
    if (ledger === null || live === null || expected === null)
      return asRecorded(editedFiles(knowledge, edited, null));
    const lacking = lackingOfDeployment(ledger, expected, live, observation.role.name);
    if (equals(ledger, expected, live))
      return asRecorded([...lacking, ...editedFiles(knowledge, edited, [])]);
    const found = differences(ledger, history, claim.applied, expected, live);
    const isTolerable = found.every((difference) => difference.tolerable);
    const isOwnState = found.every(
      ({ kind, fact }) => kind === "extra" && live.foreign.includes(fact),
    );
    const all = [...found, ...lacking, ...editedFiles(knowledge, edited, found)];
    if (isOwnState && isTolerable) return asRecorded(all);

    const identified = known(identify(ledger, history, live));
    const isAnotherState =
      identified.kind !== "nearest" &&
      identified.kind !== "sketched" &&
      !(identified.kind === "proven" && identified.heads.length === 0 && hasForeignObjects());
    // Numbers are everybody's, and not one of the texts is ours.
    if (
      isAnotherState &&
      table !== null &&
      edited.length > 0 &&
      edited.length === claim.applied.size
    ) {
      const why = `${table.schema}.${table.name} says ${rows.join(", ")}, with other texts than the files of this image have, and the schema is exactly what other files make: it seems to be another application's`;
      return { ...unknown([], why), isOthersTable: true };
    }
    const passed =
      identified.kind === "proven"
        ? dataPassedOver(ledger, history, claim, edited, identified.heads, answers)
        : nothingPassedOver;
    const mismatch: Verdict = {
      ...seen,
      kind: "mismatched",
      claimed: heads,
      skipped,
      identified,
      elsewhere: backwards(identified) ? inDoubt(places, observation, "taken back") : [],
      ...passed,
    };
    if (isAnotherState && identified.kind === "proven" && passed.dataMigrations.length === 0)
      return mismatch;
    // An index or a view that a revision drops may be somebody's who still needs it. A column or a table says that it did not run.
    if (isAnotherState && (hasRowsBesides(found) || commentsTell(identified))) return mismatch;
    if (isTolerable && !isPastTheRows(identified)) return asRecorded(all);
    if (isAnotherState) return mismatch;
    const left = findHalfDone(ledger, history, claim.applied, live);
    if (left !== null) return { ...seen, kind: "partial", left };
    return drifted(all);

    function asRecorded(differences: readonly Difference[]): Verdict {
      if (differences.some(({ tolerable }) => !tolerable)) return drifted(differences);
      const redundant = withoutOnce(recorded, heads);
      if (redundant.length > 0) return { ...seen, kind: "overlapping", heads, redundant, pending };
      if (pending.length > 0)
        return { ...seen, kind: "behind", heads, pending, skipped, differences };
      return differences.length > 0 ? drifted(differences) : { ...seen, kind: "current", heads };
    }

    /** Several later states have these facts, and rows may have been written on the way: what is pending would write them again. */
    function isPastTheRows(finding: Finding): boolean {
      return finding.kind === "ambiguous" && finding.candidates.every(isLater);
    }

    function isLater(candidate: readonly string[]): boolean {
      const isMore = ancestors(history, candidate).size > claim.applied.size;
      return isMore && hasAllThatIsClaimed(candidate);
    }

    function hasRowsBesides(differences: readonly Difference[]): boolean {
      const tables = tablesAmong(ledger?.facts ?? []);
      return differences.some(
        (each) => each.kind === "extra" && holdsRows(each.fact) && tables.has(each.fact.object),
      );
    }

    /** All that could tell the one state from the other speaks for the earlier one. */
    function commentsTell(finding: Finding): boolean {
      if (ledger === null || live === null) return false;
      const candidates =
        finding.kind === "proven"
          ? [finding.heads]
          : finding.kind === "ambiguous"
            ? finding.candidates
            : [];
      return (
        candidates.some((each) => hasSameSoftFacts(ledger, history, each, live)) &&
        !hasSameSoftFacts(ledger, history, heads, live)
      );
    }

    function drifted(differences: readonly Difference[]): Verdict & { readonly kind: "drifted" } {
      return { ...seen, kind: "drifted", heads, pending, skipped, differences };
    }
  }

  function interruption(): Verdict | null {
    if (history.tool.appliedBy === "program") return beginning();
    const open = observation.progress.filter(({ version }) => !claim.applied.has(version));
    const inOrder = [...history.revisions.values()].flatMap(
      ({ id }) => open.find(({ version }) => version === id) ?? [],
    );
    const asBegun = inOrder.find(
      ({ version, checksum }) => history.revisions.get(version)?.hash === checksum,
    );
    const progress = asBegun ?? inOrder[0] ?? open[0];
    if (progress === undefined) return null;
    const revision = history.revisions.get(progress.version);
    const left = {
      kind: "interrupted",
      progress,
      others: open.filter((each) => each !== progress).map(({ version }) => version),
      table: `${table?.schema ?? observation.home.schema}.${progressTable}`,
      file: revision?.file ?? null,
      isEdited: revision?.hash !== progress.checksum,
      indexes: leftoverIndexes(),
    } as const;
    return { ...seen, kind: "partial", left };
  }

  /** Before its parents are recorded it cannot have begun. What the schema itself shows of a revision's middle says more. */
  function beginning(): Verdict | null {
    const begun = observation.progress.find(
      ({ version }) =>
        !claim.applied.has(version) &&
        history.needs.get(version)?.every((id) => claim.applied.has(id)) === true,
    );
    const revision = history.revisions.get(begun?.version ?? "");
    if (revision === undefined || strangers.length > 0) return null;
    const invalid = invalidIndexes();
    if (invalid !== null) return invalid;
    const half =
      ledger === null || live === null ? null : findHalfDone(ledger, history, claim.applied, live);
    const { id, file } = revision;
    const after = maximal(history, [...claim.applied, id]);
    const left = half ?? { kind: "begun", revision: id, file, heads: after, pending };
    return { ...seen, kind: "partial", left };
  }

  function diagnoseWithoutRows(): Verdict {
    if (!hasUserFacts()) return elsewhereOrFresh();
    if (!hasObjectsOfThisHistory()) {
      const why = `none of this history's tables is in ${observation.home.schema}, but others are${neighbours()}`;
      return unknown([], why);
    }
    const invalid = invalidIndexes();
    if (invalid !== null) return invalid;
    if (neighbour?.isDirty === true) return dirty(neighbour, neighbour.rows);
    const identified = find();
    if (ledger !== null && live !== null && identified.kind === "nearest") {
      const left = findHalfDone(ledger, history, claim.applied, live);
      if (left !== null) return { ...seen, kind: "partial", left };
    }
    const denied =
      ledger !== null && neighbour !== null && identified.kind === "proven"
        ? denialOf(ledger, history, neighbour, identified.heads)
        : null;
    const unseen =
      ledger !== null && identified.kind === "proven"
        ? unseenData(ledger, history, identified.heads, answers, recordedBy(history, neighbour))
        : [];
    return { ...seen, kind: "unversioned", identified, denied, unseen };
  }

  function dirty({ schema, name }: TableName, versions: readonly string[]): Verdict {
    const left = {
      kind: "dirty",
      table: `${schema}.${name}`,
      version: versions.join(", "),
    } as const;
    return { ...seen, kind: "partial", left };
  }

  /** What is not here may be elsewhere, unless a person said that this is the place. */
  function elsewhereOrFresh(): Verdict {
    const { home } = observation;
    const elsewhere = home.by === "setting" ? [] : inDoubt(places, observation, "fresh");
    if (elsewhere.length === 0) return { ...seen, kind: "fresh", pending: pendingAfter([]) };
    const why = `nothing of this history is in ${home.schema}, where its search_path leads, but ${namePlaces(elsewhere)}`;
    return { ...unknown([], why), elsewhere };
  }

  function unknown(rowsUnknown: readonly string[], why: string): Unknown {
    const known = { ...seen, kind: "unknown", strangers: rowsUnknown, why } as const;
    return { ...known, isOthersTable: false, elsewhere: [] };
  }

  /** Whether the state lacks something that the rows claim. */
  function backwards(identified: Finding): boolean {
    if (identified.kind !== "proven") return true;
    return strangers.length > 0 || !hasAllThatIsClaimed(identified.heads);
  }

  /** A revision that is not in the ledger may have run and left no trace: then nobody knows at which of them this is. */
  function known(identified: Identification): Finding {
    if (identified.kind !== "proven" || ledger === null || ledger.lacking.size === 0)
      return identified;
    const state = ancestors(history, identified.heads);
    const mayHaveRun = [...ledger.lacking].some((id) =>
      [...ancestors(history, [id])].every((each) => ledger.lacking.has(each) || state.has(each)),
    );
    return mayHaveRun
      ? { kind: "sketched", why: "stale", probably: identified.heads[0] ?? null, absent: [] }
      : identified;
  }

  /** With these numbers the rows say just what the schema is. */
  function underOtherNumbers(): Verdict | null {
    const same = renumberedRows(knowledge, table);
    if (same.size === 0 || ledger === null || live === null) return null;
    const meant = claimOf(
      history,
      rows.map((row) => same.get(row) ?? row),
    );
    const made = factsOfClaim(ledger, history, meant);
    if (meant.strangers.length > 0 || meant.skipped.length > 0 || made === null) return null;
    if (!equals(ledger, made, live)) return null;
    const identified = { kind: "proven", heads: meant.heads, by: "facts", extras: [] } as const;
    return {
      ...seen,
      kind: "missing-file",
      gone: [...same.keys()],
      identified,
      elsewhere: [],
      ...nothingPassedOver,
    };
  }

  function diagnoseStrangers(): Verdict {
    if (isAtHeadWithoutFiles())
      return { ...seen, kind: "current", heads: recorded, verified: true };
    const gone = strangers.filter((id) => knowledge.ledger?.revisions.has(id));
    if (gone.length === strangers.length) return missingFile(gone, find());
    const identified = find();
    const states = statesOf(identified);
    const isEarlierState =
      live?.foreign.length === 0 && states.length > 0 && states.every(isEarlier);
    if (isEarlierState && identified.kind === "proven") return missingFile(strangers, identified);
    const needed = ledger && factsOfHeads(ledger, history, history.heads);
    if (ledger === null || live === null || needed === null) {
      const why = `no file of this image has ${strangers.join(", ")}, and ${
        ledger === null ? "there is no ledger" : "the ledger is stale"
      }, so the schema cannot say more`;
      return unknown(strangers, why);
    }
    const all = new Set(history.revisions.keys());
    const lacking = differences(ledger, history, all, needed, live).filter(
      ({ kind }) => kind === "missing" || kind === "changed",
    );
    // Several states that differ by data, with something that the head has no more: in a newer database it would be gone.
    if (isEarlierState && lacking.length === 0) return missingFile(strangers, identified);
    const hardNeeded = [...needed].filter(
      (fact) => !ledger.soft[fact] && !live.ignored.has(fact),
    ).length;
    if (hardNeeded > 0 && lacking.length * 2 <= hardNeeded)
      return {
        ...seen,
        kind: "ahead",
        strangers,
        lacking,
        unrecorded: isGraph ? [] : pending,
        notRun: notSeenToRun(needed),
      };
    const why = `no file and no ledger entry of this image has ${strangers.join(", ")}, and less than half of what it needs is here${neighbours()}`;
    return unknown(strangers, why);
  }

  function isEarlier(heads: readonly string[]): boolean {
    if (heads.length === 0 || pendingAfter(heads).length === 0) return false;
    return isGraph || hasAllThatIsClaimed(heads);
  }

  function hasAllThatIsClaimed(heads: readonly string[]): boolean {
    const state = ancestors(history, heads);
    return [...claim.applied].every((id) => state.has(id));
  }

  /** All that the ledger calls live is recorded, and the schema is what that makes: only the files are not in the image. */
  function isAtHeadWithoutFiles(): boolean {
    if (ledger === null || live === null) return false;
    if (!strangers.every((id) => knowledge.unfiled.includes(id))) return false;
    const state = ledger.stateByHeads.get(headsKey([...recorded].sort()));
    if (state === undefined || !equals(ledger, factsOfState(ledger, state), live)) return false;
    const applied = appliedByLedger(knowledge, rows);
    return [...knowledge.unfiled, ...history.revisions.keys()].every((id) => applied.has(id));
  }

  /** Where every file has a row, one that has none did not run: unless all that it does is done, and shows. */
  function notSeenToRun(needed: ReadonlySet<number>): readonly string[] {
    if (isGraph || ledger === null) return [];
    return pending.filter((id) => touchesRows(ledger, id) || isStillThere(id));

    function isStillThere(id: string): boolean {
      const dropped = changeOf(ledger!, history, id)?.dropped ?? [];
      return dropped.some((fact) => live?.known.has(fact) === true && !needed.has(fact));
    }
  }

  /** Where every file has a row, the rows that have files still say which data migrations ran. */
  function missingFile(gone: readonly string[], identified: Finding): Verdict {
    const passed =
      !isGraph && ledger !== null && identified.kind === "proven"
        ? dataPassedOver(ledger, history, claim, edited, identified.heads, answers)
        : nothingPassedOver;
    const elsewhere = inDoubt(places, observation, "taken back");
    return { ...seen, kind: "missing-file", gone, identified, elsewhere, ...passed };
  }

  function find(): Finding {
    if (ledger !== null && live !== null)
      return known(identify(ledger, history, live, headsOfNeighbour(history, neighbour), answers));
    const schema = observation.home.schema;
    const nearest = nearestSketch(history, tablesOf(observation.facts), schema);
    return {
      kind: "sketched",
      why: knowledge.status === "stale" ? "stale" : "absent",
      probably: nearest?.id ?? null,
      absent: nearest?.absent ?? [],
    };
  }

  function leftoverIndexes(): readonly Fact[] {
    return observation.facts.filter(
      (fact) =>
        isInvalidIndex(fact) &&
        !observation.buildingIndexes.includes(indexName(fact)) &&
        isWantedIndex(fact),
    );
  }

  /** An index of its name is one of the history's, and not left INVALID by the history itself. */
  function isWantedIndex(fact: Fact): boolean {
    if (ledger === null || live === null) return isOnTableOfFiles(fact);
    return live.foreign.includes(fact) && oursIn(ledger.facts).makesIndex(fact.object, fact.name);
  }

  function isOnTableOfFiles({ object }: Fact): boolean {
    const schema = observation.home.schema;
    return [...history.revisions.values()].some(({ sketch }) =>
      sketch.some(
        ({ table: named }) => `${named.schema ?? schema}.${named.name}` === unquoted(object),
      ),
    );
  }

  function invalidIndexes(): Verdict | null {
    const indexes = leftoverIndexes();
    return indexes.length === 0
      ? null
      : {
          ...seen,
          kind: "partial",
          left: { kind: "invalid-index", indexes, applied: madeOf(indexes) },
        };
  }

  function madeOf(indexes: readonly Fact[]): readonly Fact[] {
    if (ledger === null || expected === null) return [];
    const made = oursIn([...expected].map((position) => ledger.facts[position]!));
    return indexes.filter(({ object, name }) => made.makesIndex(object, name));
  }

  /** Extensions and empty schemas are often made before an application's first start. */
  function hasUserFacts(): boolean {
    return (
      hasKnownFacts() ||
      observation.facts.some(
        (fact) => !isSoft(fact) && !isPremise(fact) && isOurBusiness(schemaOf(fact) ?? ""),
      )
    );
  }

  /** Without a ledger the look went everywhere, and other schemas are others' business. */
  function isOurBusiness(schema: string): boolean {
    if (knowledge.platformSchemas.has(schema)) return false;
    return ledger !== null || schema === observation.home.schema || isNamedInFiles(schema);
  }

  function isNamedInFiles(schema: string): boolean {
    return [...history.revisions.values()].some(({ sketch }) =>
      sketch.some(({ table: named }) => named.schema === schema),
    );
  }

  function hasObjectsOfThisHistory(): boolean {
    if (ledger !== null) return hasKnownFacts();
    const tables = tablesOf(observation.facts);
    const schema = observation.home.schema;
    return [...history.revisions.keys()].some((id) =>
      [...sketchOf(history, [id], schema).keys()].some((table) => tables.has(table)),
    );
  }

  function hasKnownFacts(): boolean {
    if (ledger === null || live === null) return false;
    return [...live.known].some((fact) => !ledger.soft[fact] && !isPremise(ledger.facts[fact]!));
  }

  function hasForeignObjects(): boolean {
    return live !== null && live.foreign.length > 0;
  }

  function pendingAfter(heads: readonly string[]): readonly string[] {
    const applied = ancestors(history, heads);
    return [...history.revisions.keys()].filter((id) => !applied.has(id));
  }

  function neighbours(): string {
    const tools = observation.otherTools.map(({ tool, table: name }) => `${name} (${tool})`);
    return tools.length === 0 ? "" : `; another tool's version table is here: ${tools.join(", ")}`;
  }
}

type Unknown = Extract<Verdict, { readonly kind: "unknown" }>;

/** The common case, kept cheap: the live schema is exactly the expected one. */
function equals(ledger: OpenLedger, expected: ReadonlySet<number>, live: Sighting): boolean {
  if (live.foreign.length > 0) return false;
  const wanted = asSeen(live, expected);
  for (const fact of wanted)
    if (!ledger.soft[fact] && !live.ignored.has(fact) && !live.known.has(fact)) return false;
  for (const fact of live.known)
    if (!ledger.soft[fact] && !wanted.has(fact) && !isPremise(ledger.facts[fact]!)) return false;
  return true;
}

function indexName(fact: Fact): string {
  return `${schemaOf(fact)}.${fact.name}`;
}

/** The rows that are left when each of `kept` is taken out once: ancestors, and second copies. */
function withoutOnce(rows: readonly string[], kept: readonly string[]): readonly string[] {
  const once = new Set(kept);
  return rows.filter((row) => !once.delete(row));
}
