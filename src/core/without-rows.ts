import { unseenData } from "./data-migrations.ts";
import { placesInDoubt } from "./elsewhere.ts";
import { isPrerequisite, isSoft, schemaOf } from "./facts.ts";
import { pendingAfter } from "./history.ts";
import { identify } from "./identify.ts";
import { denialOf, headsOfNeighbour, recordedBy } from "./neighbour.ts";
import { dirtyTable, findHalfDone, invalidIndexes } from "./partial.ts";
import { type Situation, unknown, unlessStale } from "./situation.ts";
import { nearestSketch, sketchOf, tablesOf } from "./sketch.ts";
import type { Finding, Verdict } from "./verdict.ts";
import { namePlaces } from "./words.ts";

/** No version rows: the schema alone says what ran. Null: there are some. */
export function withoutRows(situation: Situation): Verdict | null {
  const { rows, observation, neighbour } = situation;
  if (rows.length > 0) return null;
  if (!hasUserFacts(situation)) return elsewhereOrFresh(situation);
  if (!hasObjectsOfThisHistory(situation)) {
    const why = `none of this history's tables is in ${observation.home.schema}, but others are${sayOtherTools(situation)}`;
    return unknown(situation, [], why);
  }
  return invalidIndexes(situation) ?? dirtyTable(situation, neighbour) ?? unversioned(situation);
}

function unversioned(situation: Situation): Verdict {
  const { history, observation, ledger, neighbour, seen } = situation;
  const identified = identifyLive(situation);
  const left = identified.kind === "nearest" ? findHalfDone(situation) : null;
  if (left !== null) return { ...seen, kind: "partial", left };
  const unproven = { ...seen, kind: "unversioned", identified, denied: null, unseen: [] } as const;
  if (ledger === null || identified.kind !== "proven") return unproven;
  const { heads } = identified;
  const recorded = recordedBy(history, neighbour);
  const denied = neighbour === null ? null : denialOf(ledger, history, neighbour, heads);
  const answers = observation.rows ?? [];
  const unseen = unseenData(heads, recorded, { ledger, history, answers });
  return { ...unproven, denied, unseen };
}

/** Where the database stands by its schema, and by another tool's rows; without a ledger by a guess. */
export function identifyLive(situation: Situation): Finding {
  const { knowledge, observation, history, ledger, live, neighbour } = situation;
  if (ledger !== null && live !== null) {
    const recorded = headsOfNeighbour(history, neighbour);
    const answers = observation.rows ?? [];
    return unlessStale(situation, identify({ ledger, history, live, recorded, answers }));
  }
  const { schema } = observation.home;
  const nearest = nearestSketch(history, tablesOf(observation.facts), schema);
  return {
    kind: "sketched",
    why: knowledge.status === "stale" ? "stale" : "absent",
    probably: nearest?.id ?? null,
    absent: nearest?.absent ?? [],
  };
}

/** What is not here may be elsewhere, unless a person said that this is the place. */
function elsewhereOrFresh(situation: Situation): Verdict {
  const { history, observation, seen } = situation;
  const { home } = observation;
  const elsewhere = home.by === "setting" ? [] : placesInDoubt(situation, "fresh");
  if (elsewhere.length === 0) return { ...seen, kind: "fresh", pending: pendingAfter(history, []) };
  const why = `nothing of this history is in ${home.schema}, where its search_path leads, but ${namePlaces(elsewhere)}`;
  return { ...unknown(situation, [], why), elsewhere };
}

/** Extensions and empty schemas are often made before an application's first start. */
function hasUserFacts(situation: Situation): boolean {
  return (
    hasKnownFacts(situation) ||
    situation.observation.facts.some(
      (fact) =>
        !isSoft(fact) && !isPrerequisite(fact) && isOurBusiness(situation, schemaOf(fact) ?? ""),
    )
  );
}

/** Without a ledger the look went everywhere, and other schemas are others' business. */
function isOurBusiness(
  { knowledge, observation, history, ledger }: Situation,
  schema: string,
): boolean {
  if (knowledge.platformSchemas.has(schema)) return false;
  if (ledger !== null || schema === observation.home.schema) return true;
  return [...history.revisions.values()].some(({ sketch }) =>
    sketch.some(({ table: named }) => named.schema === schema),
  );
}

function hasObjectsOfThisHistory(situation: Situation): boolean {
  const { observation, history, ledger } = situation;
  if (ledger !== null) return hasKnownFacts(situation);
  const tables = tablesOf(observation.facts);
  const { schema } = observation.home;
  return [...history.revisions.keys()].some((id) =>
    [...sketchOf(history, [id], schema).keys()].some((table) => tables.has(table)),
  );
}

function hasKnownFacts({ ledger, live }: Situation): boolean {
  if (ledger === null || live === null) return false;
  return [...live.known].some((fact) => !ledger.soft[fact] && !isPrerequisite(ledger.facts[fact]!));
}

export function sayOtherTools({ observation }: Situation): string {
  const tools = observation.otherTools.map(({ tool, table: name }) => `${name} (${tool})`);
  return tools.length === 0 ? "" : `; another tool's version table is here: ${tools.join(", ")}`;
}
