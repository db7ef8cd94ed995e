import {
  type Fact,
  factKey,
  type FactKind,
  isPrerequisite,
  isRelation,
  isSoft,
  schemaOf,
  placeKey,
} from "./facts.ts";
import { type HeldRights, readHeldRights } from "./held-rights.ts";
import type { OpenLedger } from "./ledger.ts";
import { inWords } from "./old-spelling.ts";
import { retiredPartitions } from "./retention.ts";
import { varies } from "./varying.ts";

/** The live schema in the ledger's words. */
export type LiveSchema = {
  /** Facts that the ledger knows from any state, hard and soft, by position. */
  readonly known: ReadonlySet<number>;
  /** Hard facts that the ledger has never seen, prerequisites and a platform's own aside. */
  readonly unknownFacts: readonly Fact[];
  /** The ledger's facts that are not compared: kinds that this server spells in another way, and partitions that have served. */
  readonly ignored: ReadonlySet<number>;
  /** The ledger's facts that are not enforced in full, by the facts that say the same and are here. */
  readonly validated: ReadonlyMap<number, number>;
  /** Extensions for which the history names a schema, and which are in another one here. */
  readonly movedExtensions: ReadonlyMap<number, Fact>;
  readonly rights: HeldRights;
  /** `Fact.evaluates` of the live facts of which it was asked, by place: the ledger's own facts do not have it. */
  readonly evaluates: ReadonlyMap<string, readonly string[]>;
};

/** These facts of the ledger, as they would be here: what was NOT VALID may have become valid. */
export function asSeen(live: LiveSchema, positions: Iterable<number>): ReadonlySet<number> {
  if (live.validated.size === 0) return new Set(positions);
  return new Set([...positions].map((position) => live.validated.get(position) ?? position));
}

/**
 * Recognises live facts by their spelling at bake time, by the spelling that dump and restore give
 * them, by that of PostgreSQL 13, and with an extension's names in another schema.
 * @param serverVersion `server_version_num` of the live server
 * @param platformSchemas schemas whose strange facts are a platform's
 */
export function recognise(
  ledger: OpenLedger,
  facts: readonly Fact[],
  serverVersion: number,
  platformSchemas: ReadonlySet<string>,
): LiveSchema {
  const comparesViews = textGroup(ledger.server) === textGroup(Math.floor(serverVersion / 10_000));
  const renames = extensionRenames(ledger, facts);
  const old = oldSpellings(ledger, serverVersion);
  const ours = new Set(ledger.facts.filter(isRelation).map(({ object }) => object));
  const known = new Set<number>();
  const unknownFacts: Fact[] = [];
  const kinds = new Set(ledger.kinds);
  const retired = retiredPartitions(ledger.facts, facts);
  const notValid = notValidFacts(ledger);
  const rights = readHeldRights(facts);
  const varying = new Map<string, number>();
  const ignored = new Set<number>();
  for (const [position, fact] of ledger.facts.entries()) {
    if (fact.definition === varies) varying.set(placeKey(fact), position);
    if (fact.kind === "grant" && rights.covers(fact)) known.add(position);
    if ((fact.kind === "viewdef" && !comparesViews) || retired.has(fact.object))
      ignored.add(position);
  }
  const movedExtensions = new Map<number, Fact>();
  for (const fact of facts) {
    if (isGiven(fact) || !kinds.has(fact.kind)) continue;
    if (fact.kind === "viewdef" && !comparesViews) continue;
    // Detached and kept, it is a table of somebody's; what hangs on it is his.
    if (retired.has(fact.object) && fact.kind !== "table") continue;
    const verbatim = ledger.positions.get(factKey(fact));
    const position = verbatim ?? respelled(renamed(fact, renames)) ?? varying.get(placeKey(fact));
    if (position !== undefined) {
      known.add(position);
      const isMoved = fact.kind === "extension" && verbatim === undefined;
      if (isMoved && ledger.inHome[position] === false) movedExtensions.set(position, fact);
    } else if (!isSoft(fact) && !isPrerequisite(fact) && !isPlatforms(fact))
      unknownFacts.push(fact);
  }
  const validated = new Map<number, number>();
  for (const [key, position] of notValid) {
    const valid = ledger.positions.get(key);
    if (valid !== undefined && known.has(valid) && !known.has(position))
      validated.set(position, valid);
  }
  const evaluates = new Map<string, readonly string[]>();
  for (const fact of facts)
    if (fact.evaluates !== undefined) evaluates.set(placeKey(fact), fact.evaluates);
  return { known, unknownFacts, ignored, validated, movedExtensions, rights, evaluates };

  function respelled(fact: Fact): number | undefined {
    return ledger.positions.get(factKey(fact)) ?? old(fact) ?? inForce(fact) ?? beforeOptions(fact);
  }

  /** The first release did not read the options of a foreign table's columns. */
  function beforeOptions(fact: Fact): number | undefined {
    if (ledger.home.kind !== "unknown" || fact.kind !== "column") return undefined;
    const definition = fact.definition.replace(/ OPTIONS \{.*\}$/s, "");
    return ledger.positions.get(factKey({ ...fact, definition }));
  }

  /** What has been validated, or switched on again, since a migration made it. */
  function inForce(fact: Fact): number | undefined {
    if (notValid.size === 0) return undefined;
    return notValid.get(factKey(fact)) ?? notValid.get(factKey(inWords(fact)));
  }

  /** A relation that a migration made is the history's, wherever it is. */
  function isPlatforms(fact: Fact): boolean {
    return platformSchemas.has(schemaOf(fact) ?? "") && !ours.has(fact.object);
  }
}

/** Each fact of the ledger in each of its spellings, with its position. */
function spelledFacts({ facts, spellings }: OpenLedger): readonly (readonly [number, Fact])[] {
  const spelled = spellings.map(
    ({ fact: position, definition }) => [position, { ...facts[position]!, definition }] as const,
  );
  return [...facts.entries(), ...spelled];
}

/** By each spelling of what they would say once they are valid and their triggers on. */
function notValidFacts(ledger: OpenLedger): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [position, fact] of spelledFacts(ledger)) {
    if (!canBeValidated.has(fact.kind) || !notInForce.test(fact.definition)) continue;
    const definition = inForceOf(fact);
    if (definition === fact.definition) continue;
    const valid = { ...fact, definition };
    for (const each of [valid, inWords(valid)]) found.set(factKey(each), position);
  }
  return found;
}

const notInForce = / NOT VALID| TRIGGERS DISABLED| INVALID/;

const canBeValidated: ReadonlySet<FactKind> = new Set(["constraint", "column", "domain", "index"]);

/** An index that a migration makes ON ONLY is INVALID until each partition has one. What stands in quotes are others' words. */
function inForceOf({ kind, definition }: Fact): string {
  const lacks = kind === "index" ? / INVALID$/g : / NOT VALID| TRIGGERS DISABLED$/g;
  const quoted = /'(?:[^']|'')*'|"(?:[^"]|"")*"/.source;
  return definition.replaceAll(new RegExp(`${quoted}|${lacks.source}`, "g"), (found) =>
    /^['"]/.test(found) ? found : "",
  );
}

/** The schema `public` is there before any migration. */
export function isGiven(fact: Fact): boolean {
  return fact.kind === "schema" && fact.object === "public";
}

/** Majors between which PostgreSQL spells a view's text alike: {13}, {14, 15}, {16, 17, 18}. */
function textGroup(major: number): number {
  if (major <= 13) return 13;
  return major <= 15 ? 14 : 16;
}

/** Finds a fact by the words for which it has PostgreSQL 13's functions. Of two that have the same words: neither. */
function oldSpellings(
  ledger: OpenLedger,
  serverVersion: number,
): (fact: Fact) => number | undefined {
  let byWords: Map<string, number | null> | null = null;
  return (fact) => {
    const words = inWords(fact);
    if (words === fact) return viewColumn(fact);
    byWords ??= readWords();
    return byWords.get(factKey(words)) ?? undefined;
  };

  function readWords(): Map<string, number | null> {
    const found = new Map<string, number | null>();
    for (const [written, fact] of spelledFacts(ledger)) {
      const position = ledger.positions.get(factKey(fact)) ?? written;
      const key = factKey(inWords(fact));
      found.set(key, (found.get(key) ?? position) === position ? position : null);
    }
    return found;
  }

  /** A view's EXTRACT is numeric since 14. */
  function viewColumn(fact: Fact): number | undefined {
    if (serverVersion >= 140_000) return undefined;
    if (fact.kind !== "column" || fact.definition !== "double precision") return undefined;
    const isView = ({ kind, object }: Fact): boolean =>
      (kind === "view" || kind === "matview") && object === fact.object;
    if (!ledger.facts.some(isView)) return undefined;
    return ledger.positions.get(factKey({ ...fact, definition: "numeric" }));
  }
}

type Rename = { readonly from: string; readonly to: string };

/** Extensions that live in another schema than when baked: `citext` in `extensions` instead of `public`. */
function extensionRenames(ledger: OpenLedger, facts: readonly Fact[]): readonly Rename[] {
  const baked = ledger.facts.filter(isExtension);
  return facts.filter(isExtension).flatMap((fact) => {
    const [home, another] = new Set(
      baked.filter(({ object }) => object === fact.object).map(homeOf),
    );
    const isMoved = home !== undefined && another === undefined && home !== homeOf(fact);
    return isMoved ? [{ from: homeOf(fact), to: home }] : [];
  });
}

function isExtension({ kind }: Fact): boolean {
  return kind === "extension";
}

function homeOf(extension: Fact): string {
  return extension.definition.replace(/^SCHEMA /, "");
}

/** Only a guess at the spelling: it counts when the ledger has the result, word for word. */
function renamed(fact: Fact, renames: readonly Rename[]): Fact {
  if (renames.length === 0) return fact;
  let { definition } = fact;
  for (const { from, to } of renames)
    definition =
      fact.kind === "extension"
        ? definition.replace(`SCHEMA ${from}`, `SCHEMA ${to}`)
        : definition.replaceAll(`${from}.`, `${to}.`);
  return { ...fact, definition };
}
