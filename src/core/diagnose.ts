import { claimOf, factsOfClaim, recordedOf, recordsEveryRevision } from "./claim.ts";
import { type Difference, differences } from "./difference.ts";
import { type Fact, isInvalidIndex, isPremise, isSoft, schemaOf } from "./facts.ts";
import { editedFiles, editedRevisions } from "./edited.ts";
import { findHalfDone } from "./half-done.ts";
import { ancestors, maximal } from "./history.ts";
import { identify } from "./identify.ts";
import type { Knowledge } from "./knowledge.ts";
import { factsOfHeads, type OpenLedger } from "./ledger.ts";
import { progressTable } from "./migration.ts";
import { denialOf, headsOfNeighbour, neighbourOf } from "./neighbour.ts";
import type { Observation } from "./observation.ts";
import { dataPassedOver, nothingPassedOver } from "./passed-over.ts";
import { recognise, type Sighting } from "./sighting.ts";
import { nearestSketch, sketchOf, tablesOf } from "./sketch.ts";
import type { Finding, Verdict } from "./verdict.ts";

/** A verdict for every history, ledger and observation. Total, and never throws. */
export function diagnose(knowledge: Knowledge, observation: Observation): Verdict {
  const { history } = knowledge;
  const table = observation.versionTable;
  const rows = (table?.rows ?? []).map((row) => row ?? "NULL");
  const claim = claimOf(history, rows);
  const { heads, strangers, skipped } = claim;
  const verified = knowledge.status === "verified";
  const ledger = verified ? knowledge.ledger : null;
  const live =
    ledger &&
    recognise(ledger, observation.facts, observation.server.version, knowledge.platformSchemas);
  const recorded = recordedOf(history, rows);
  const seen = { recorded, verified };
  const pending = [...history.revisions.keys()].filter((id) => !claim.applied.has(id));
  const isGraph = !recordsEveryRevision(history.tool);
  const edited = editedRevisions(knowledge, claim, table);
  const neighbour = neighbourOf(history, observation);

  if (table?.unreadable === "shape") {
    const why = `${table.schema}.${table.name} has not the columns of this tool's version table`;
    return { ...seen, kind: "unknown", strangers, why };
  }
  const interrupted = interruption();
  if (interrupted !== null) return interrupted;
  if (strangers.length > 0) return diagnoseStrangers();
  if (rows.length === 0) return diagnoseWithoutRows();
  const invalid = invalidIndexes();
  if (invalid !== null) return invalid;
  return diagnoseRows();

  function diagnoseRows(): Verdict {
    const expected = ledger && factsOfClaim(ledger, history, claim);
    if (ledger === null || live === null || expected === null) {
      return { ...asRecorded(editedFiles(knowledge, edited, null)), verified: false };
    }
    if (equals(ledger, expected, live)) return asRecorded(editedFiles(knowledge, edited, []));

    const found = differences(ledger, history, claim.applied, expected, live);
    const isTolerable = found.every((difference) => difference.tolerable);
    const isOwnState = found.every(
      ({ kind, fact }) => kind === "extra" && live.foreign.includes(fact),
    );
    if (isOwnState && isTolerable)
      return asRecorded([...found, ...editedFiles(knowledge, edited, found)]);

    const identified = identify(ledger, history, live);
    const isElsewhere =
      identified.kind !== "nearest" &&
      !(identified.kind === "proven" && identified.heads.length === 0 && hasForeignObjects());
    const passed =
      identified.kind === "proven"
        ? dataPassedOver(ledger, history, claim, edited, identified.heads)
        : nothingPassedOver;
    const mismatch: Verdict = {
      ...seen,
      kind: "mismatched",
      claimed: heads,
      skipped,
      identified,
      ...passed,
    };
    if (isElsewhere && identified.kind === "proven" && passed.dataMigrations.length === 0)
      return mismatch;
    if (isTolerable) return asRecorded([...found, ...editedFiles(knowledge, edited, found)]);
    if (isElsewhere) return mismatch;
    const left = findHalfDone(ledger, history, claim.applied, live);
    if (left !== null) return { ...seen, kind: "partial", left };
    return drifted([...found, ...editedFiles(knowledge, edited, found)]);

    function asRecorded(
      differences: readonly Difference[],
    ): Exclude<Verdict, { kind: "broken-history" }> {
      if (differences.some(({ tolerable }) => !tolerable)) return drifted(differences);
      const redundant = withoutOnce(recorded, heads);
      if (redundant.length > 0) return { ...seen, kind: "overlapping", heads, redundant, pending };
      if (pending.length > 0)
        return { ...seen, kind: "behind", heads, pending, skipped, differences };
      return differences.length > 0 ? drifted(differences) : { ...seen, kind: "current", heads };
    }

    function drifted(differences: readonly Difference[]): Verdict & { readonly kind: "drifted" } {
      return { ...seen, kind: "drifted", heads, pending, skipped, differences };
    }
  }

  function interruption(): Verdict | null {
    if (isGraph) return beginning();
    const progress = observation.progress.find(({ version }) => !claim.applied.has(version));
    if (progress === undefined) return null;
    const revision = history.revisions.get(progress.version);
    const left = {
      kind: "interrupted",
      progress,
      table: `${table?.schema ?? observation.server.searchPath[0] ?? "public"}.${progressTable}`,
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
    if (!hasUserFacts()) return { ...seen, kind: "fresh", pending: pendingAfter([]) };
    if (!hasObjectsOfThisHistory()) {
      const why = `none of this history's tables is here, but others are${neighbours()}`;
      return { ...seen, kind: "unknown", strangers: [], why };
    }
    const invalid = invalidIndexes();
    if (invalid !== null) return invalid;
    if (neighbour?.isDirty === true) {
      const place = `${neighbour.schema}.${neighbour.name}`;
      const left = { kind: "dirty", table: place, version: neighbour.rows.join(", ") } as const;
      return { ...seen, kind: "partial", left };
    }
    const identified = find();
    if (ledger !== null && live !== null && identified.kind === "nearest") {
      const left = findHalfDone(ledger, history, claim.applied, live);
      if (left !== null) return { ...seen, kind: "partial", left };
    }
    const denied =
      ledger !== null && neighbour !== null && identified.kind === "proven"
        ? denialOf(ledger, history, neighbour, identified.heads)
        : null;
    return { ...seen, kind: "unversioned", identified, denied };
  }

  function diagnoseStrangers(): Verdict {
    const gone = strangers.filter((id) => knowledge.ledger?.revisions.has(id));
    if (gone.length === strangers.length) return missingFile(gone, find());
    if (ledger === null || live === null) {
      const why = `no file of this image has ${strangers.join(", ")}, and ${
        knowledge.status === "stale" ? "the ledger is stale" : "there is no ledger"
      }, so the schema cannot say more`;
      return { ...seen, kind: "unknown", strangers, why };
    }
    const identified = find();
    if (
      identified.kind === "proven" &&
      identified.heads.length > 0 &&
      live.foreign.length === 0 &&
      pendingAfter(identified.heads).length > 0 &&
      (isGraph || identified.heads[0] === heads[0])
    )
      return missingFile(strangers, identified);
    const needed = factsOfHeads(ledger, history, history.heads) ?? new Set<number>();
    const all = new Set(history.revisions.keys());
    const lacking = differences(ledger, history, all, needed, live).filter(
      ({ kind }) => kind === "missing" || kind === "changed",
    );
    const hardNeeded = [...needed].filter(
      (fact) => !ledger.soft[fact] && !live.ignored.has(fact),
    ).length;
    if (hardNeeded > 0 && lacking.length * 2 <= hardNeeded)
      return { ...seen, kind: "ahead", strangers, lacking, notRun: isGraph ? [] : pending };
    const why = `no file and no ledger entry of this image has ${strangers.join(", ")}, and less than half of what it needs is here${neighbours()}`;
    return { ...seen, kind: "unknown", strangers, why };
  }

  /** Where every file has a row, the rows that have files still say which data migrations ran. */
  function missingFile(gone: readonly string[], identified: Finding): Verdict {
    const isClaimed = !isGraph && claim.applied.size > 0;
    const passed =
      isClaimed && ledger !== null && identified.kind === "proven"
        ? dataPassedOver(ledger, history, claim, edited, identified.heads)
        : nothingPassedOver;
    return { ...seen, kind: "missing-file", gone, identified, ...passed };
  }

  function find(): Finding {
    if (ledger !== null && live !== null)
      return identify(ledger, history, live, headsOfNeighbour(history, neighbour));
    const schema = observation.server.searchPath[0] ?? "public";
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
      (fact) => isInvalidIndex(fact) && !observation.buildingIndexes.includes(indexName(fact)),
    );
  }

  function invalidIndexes(): Verdict | null {
    const indexes = leftoverIndexes();
    return indexes.length === 0
      ? null
      : { ...seen, kind: "partial", left: { kind: "invalid-index", indexes } };
  }

  /** Extensions and empty schemas are often made before an application's first start. */
  function hasUserFacts(): boolean {
    return (
      hasKnownFacts() ||
      observation.facts.some(
        (fact) =>
          !isSoft(fact) && !isPremise(fact) && !knowledge.platformSchemas.has(schemaOf(fact) ?? ""),
      )
    );
  }

  function hasObjectsOfThisHistory(): boolean {
    if (ledger !== null) return hasKnownFacts();
    const tables = tablesOf(observation.facts);
    const schema = observation.server.searchPath[0] ?? "public";
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

/** The common case, kept cheap: the live schema is exactly the expected one. */
function equals(ledger: OpenLedger, expected: ReadonlySet<number>, live: Sighting): boolean {
  if (live.foreign.length > 0) return false;
  for (const fact of expected)
    if (!ledger.soft[fact] && !live.ignored.has(fact) && !live.known.has(fact)) return false;
  for (const fact of live.known)
    if (!ledger.soft[fact] && !expected.has(fact) && !isPremise(ledger.facts[fact]!)) return false;
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
