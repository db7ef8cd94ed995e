import { schemaOf } from "./facts.ts";
import type { History } from "./history.ts";
import { type Ledger, openLedger, type OpenLedger } from "./ledger.ts";

/** What the image knows: its files, and what they were seen to produce. */
export type Knowledge = {
  readonly history: History;
  readonly ledger: OpenLedger | null;
  /** `stale`: some revision is not in the ledger, or not as it was baked. Its facts then prove nothing. */
  readonly status: LedgerStatus;
  /** Revisions that the ledger lacks, or has with other contents. */
  readonly lacking: readonly string[];
  /** By id: what a version table would keep of the file's text; empty where the tool's keeps nothing. */
  readonly digests: ReadonlyMap<string, string>;
  /** Schemas that a platform fills: what the ledger does not know there is nobody's drift. */
  readonly platformSchemas: ReadonlySet<string>;
};

/** What a tool adds to its files and ledger. */
export type Particulars = {
  readonly digests: ReadonlyMap<string, string>;
  readonly platformSchemas: readonly string[];
};

const none: Particulars = { digests: new Map(), platformSchemas: [] };

type LedgerStatus = "verified" | "absent" | "stale";

export function combine(
  history: History,
  ledger: Ledger | null,
  { digests, platformSchemas }: Particulars = none,
): Knowledge {
  const tool = {
    digests,
    platformSchemas: new Set([...platformSchemas, ...(ledger?.given ?? [])]),
  };
  if (ledger === null) return { history, ledger: null, status: "absent", lacking: [], ...tool };
  const lacking = [...history.revisions.values()]
    .filter(({ id, hash }) => ledger.revisions.get(id)?.hash !== hash)
    .map(({ id }) => id);
  return {
    history,
    ledger: openLedger(retireWithoutFile(ledger, history)),
    status: lacking.length === 0 ? "verified" : "stale",
    lacking,
    ...tool,
  };
}

/** Files may be deleted after the bake: what the ledger still knows of them is then retired knowledge. */
function retireWithoutFile(ledger: Ledger, history: History): Ledger {
  if (
    [...ledger.revisions.values()].every(({ id, retired }) => retired !== history.revisions.has(id))
  )
    return ledger;
  return {
    ...ledger,
    revisions: new Map(
      [...ledger.revisions].map(([id, revision]) => [
        id,
        { ...revision, retired: !history.revisions.has(id) },
      ]),
    ),
    states: ledger.states.map((state) => ({
      ...state,
      retired: !state.heads.every((head) => history.revisions.has(head)),
    })),
  };
}

/** Schemas that the history never touches are somebody else's. Without a ledger nobody knows which. */
export function scopeOf({ ledger, status }: Knowledge): readonly string[] | null {
  if (ledger === null || status !== "verified") return null;
  const homes = new Set(ledger.facts.map(schemaOf));
  const made = ledger.facts.filter(({ kind }) => kind === "schema").map(schemaOf);
  const given = ["public", ...ledger.given].filter((schema) => homes.has(schema));
  return [...given, ...made.filter((schema) => schema !== null)];
}
