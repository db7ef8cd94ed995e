import { isRare, schemaOf, receiverOf } from "./facts.ts";
import type { History } from "./history.ts";
import { isInHome, type LedgerHome } from "./home.ts";
import { type Ledger, openLedger, type OpenLedger } from "./ledger.ts";

/** What the image knows: its files, and what they were seen to produce. */
export type Knowledge = {
  readonly history: History;
  readonly ledger: OpenLedger | null;
  /** `stale`: some revision is not in the ledger, or not as it was baked. Of the others it still knows what they make. */
  readonly status: "verified" | "absent" | "stale";
  /** Revisions that the ledger lacks, or has with other contents. */
  readonly lacking: readonly string[];
  /** Revisions that the ledger calls live, and that no file has. */
  readonly unfiled: readonly string[];
  /** These migrations live in `public` alone, and this database's home is another schema. */
  readonly isBoundElsewhere: boolean;
  /** By id: what a version table would keep of the file's text; empty where the tool's keeps nothing. */
  readonly digests: ReadonlyMap<string, string>;
  /** Schemas that a platform fills: what the ledger does not know there is nobody's drift. */
  readonly platformSchemas: ReadonlySet<string>;
  /** Where no ledger tells: the schemas that the upgrade's own program puts first, as its text says; null: it takes one from elsewhere. */
  readonly programsPath: readonly (string | null)[];
};

/** What a tool adds to its files and ledger. */
export type Particulars = Pick<Knowledge, "digests" | "programsPath">;

const none: Particulars = { digests: new Map(), programsPath: [] };

/** A schema, and its name as PostgreSQL prints it in a definition. */
export type HomeName = { readonly schema: string; readonly spelled: string };

const inPublic: HomeName = { schema: "public", spelled: "public" };

/** @param home where the database's history lives: a ledger reads differently for each */
export function combine(
  history: History,
  ledger: Ledger | null,
  { digests, programsPath }: Particulars = none,
  home: HomeName = inPublic,
): Knowledge {
  const common = {
    history,
    digests,
    platformSchemas: new Set([...(history.tool.platform?.schemas ?? []), ...(ledger?.given ?? [])]),
    programsPath,
  };
  if (ledger === null || !isGoodFor(ledger.home, home))
    return {
      ...common,
      ledger: null,
      status: "absent",
      lacking: [],
      unfiled: [],
      isBoundElsewhere: ledger?.home.kind === "bound",
    };
  const lacking = [...history.revisions.values()]
    .filter(({ id, hash }) => ledger.revisions.get(id)?.hash !== hash)
    .map(({ id }) => id);
  return {
    ...common,
    ledger: openLedger(retireWithoutFile(ledger, history), home.spelled, { history, lacking }),
    status: lacking.length === 0 ? "verified" : "stale",
    lacking,
    unfiled: [...ledger.revisions.values()]
      .filter(({ id, retired }) => !retired && !history.revisions.has(id))
      .map(({ id }) => id),
    isBoundElsewhere: false,
  };
}

/** Of two kinds nobody knows which of their names would be others elsewhere. */
function isGoodFor({ kind }: LedgerHome, { schema }: Pick<HomeName, "schema">): boolean {
  return (kind !== "unknown" && kind !== "bound") || schema === "public";
}

/** Files may be deleted after the bake: what the ledger still knows of them is then retired knowledge. */
function retireWithoutFile(ledger: Ledger, history: History): Ledger {
  const { revisions } = history;
  if ([...ledger.revisions.values()].every(({ id, retired }) => retired !== revisions.has(id)))
    return ledger;
  return {
    ...ledger,
    revisions: new Map(
      [...ledger.revisions].map(([id, revision]) => [
        id,
        { ...revision, retired: !revisions.has(id) },
      ]),
    ),
    states: ledger.states.map((state) => ({
      ...state,
      retired: !state.heads.every((head) => revisions.has(head)),
    })),
  };
}

/** The schemas whose facts are the history's business, and whether rare kinds are. */
export type Scope = {
  readonly home: boolean;
  readonly named: readonly string[];
  readonly rare: boolean;
  /** The roles to which the history gives objects or privileges; null: it gives none. */
  readonly rights: readonly string[] | null;
};

/** The home as far as the history makes anything there, and the schemas that it names. Null: without a ledger nobody knows which. */
export function scopeOf(ledger: Ledger | null): Scope | null {
  if (ledger === null) return null;
  const named = ledger.facts.filter((fact) => !isInHome(fact)).map(schemaOf);
  const made = ledger.facts.filter(({ kind }) => kind === "schema").map(schemaOf);
  const roles = new Set(ledger.facts.map(receiverOf).filter((role) => role !== null));
  const given = ["public", ...ledger.given].filter((schema) => named.includes(schema));
  return {
    home: ledger.home.kind === "program" || ledger.facts.some(isInHome),
    named: [...given, ...made.filter((schema) => schema !== null)],
    rare: ledger.facts.some(isRare),
    rights: roles.size === 0 ? null : [...roles].toSorted(),
  };
}
