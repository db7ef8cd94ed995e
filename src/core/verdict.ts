import type { Difference, SchemaDifference } from "./difference.ts";
import type { Place } from "./elsewhere.ts";
import { isInDoubt } from "./extras.ts";
import { type Fact, placeKey } from "./facts.ts";
import type { Heads, HistoryFault } from "./history.ts";
import type { Identification } from "./identify.ts";
import type { JournalEntry } from "./journal.ts";
import type { Progress } from "./migration.ts";
import type { Lack } from "./row-evidence.ts";
import type { RowInDoubt } from "./spelling.ts";

/** What the diagnosis says: one member of a closed union, with its evidence. */
export type Verdict =
  | (Seen & { readonly kind: "current"; readonly heads: Heads })
  | (Seen & { readonly kind: "fresh"; readonly pending: readonly string[] })
  /** Its differences are all tolerable. */
  | (AsClaimed & { readonly kind: "behind" })
  | (Seen & {
      readonly kind: "unversioned";
      readonly identified: Finding;
      readonly denied: Denial | null;
      /** Data migrations of the proven state. */
      readonly unseen: readonly UnseenData[];
    })
  | (NotAsClaimed & {
      readonly kind: "mismatched";
      /** What the rows claim. */
      readonly claimed: Heads;
      /** Older than that, and not claimed. */
      readonly skipped: readonly string[];
      /** What they promise and is not there, where they promise too much. */
      readonly lacking: readonly SchemaDifference[];
    })
  /** `gone`: recorded revisions that have no file. */
  | (NotAsClaimed & { readonly kind: "missing-file"; readonly gone: readonly string[] })
  | (Seen & {
      readonly kind: "overlapping";
      readonly heads: Heads;
      readonly redundant: readonly string[];
      readonly pending: readonly string[];
    })
  | (Seen & {
      readonly kind: "ahead";
      readonly unknownRows: readonly string[];
      /** What this image needs and the schema lacks. */
      readonly lacking: readonly Difference[];
      /** Files of this image that have no row, where every applied file has one. */
      readonly unrecorded: readonly string[];
      /** Of these, the ones that change rows, which no schema shows. */
      readonly notRun: readonly string[];
      /** The entry of the journal that tells how it came there; null: nothing tells. */
      readonly broughtBy: JournalEntry | null;
    })
  | (AsClaimed & { readonly kind: "drifted" })
  | (Seen & { readonly kind: "partial"; readonly left: Leftover })
  | (Seen & {
      readonly kind: "unknown";
      readonly unknownRows: readonly string[];
      readonly why: string;
      /** The version table is somebody else's: nothing can be recorded there. */
      readonly isOthersTable: boolean;
      /** Rows whose number several files have, and nothing tells which of them ran. */
      readonly inDoubt: readonly RowInDoubt[];
      /** Nothing of this history is at home, and here some of it is. */
      readonly elsewhere: readonly Place[];
    })
  | { readonly kind: "broken-history"; readonly faults: readonly HistoryFault[] };

export type VerdictOf<Kind extends Verdict["kind"]> = Extract<Verdict, { readonly kind: Kind }>;

/** Data migrations of the proven state that another tool's table has no row for. */
export type Denial = { readonly table: string; readonly dataMigrations: readonly string[] };

/** Data migrations that a stamp would skip (forwards), or that may then run again (backwards). */
export type PassedOver = {
  readonly dataMigrations: readonly string[];
  readonly direction: "forwards" | "backwards";
};

/** In the order in which the README names them. */
export const verdictKinds = [
  "current",
  "fresh",
  "behind",
  "unversioned",
  "mismatched",
  "missing-file",
  "overlapping",
  "ahead",
  "drifted",
  "partial",
  "unknown",
  "broken-history",
] as const satisfies readonly Verdict["kind"][];

type Seen = {
  /** The version rows, as they stand; of tools that record every file the newest one. */
  readonly recorded: readonly string[];
  /** Whether the schema was compared with the ledger. */
  readonly verified: boolean;
};

/** The database is where its rows say, but for these differences. */
type AsClaimed = Seen & {
  readonly heads: Heads;
  readonly pending: readonly string[];
  /** Of `pending`: what is applied stands on them. */
  readonly skipped: readonly string[];
  readonly differences: readonly Difference[];
};

/** The schema says something else than the rows. */
type NotAsClaimed = Seen &
  PassedOver & {
    readonly identified: Finding;
    /** Where what the rows promise may be instead. */
    readonly elsewhere: readonly Place[];
  };

/** An identification, or what can be said without a ledger. */
export type Finding =
  | Identification
  | {
      readonly kind: "sketched";
      readonly why: "absent" | "stale";
      readonly probably: string | null;
      /** Tables and columns of that revision that are not there. */
      readonly absent: readonly string[];
    };

/** What a migration that stopped half-way left behind. */
export type Leftover =
  | {
      readonly kind: "invalid-index";
      readonly indexes: readonly Fact[];
      /** Those that an applied revision has made: they are not made again. */
      readonly applied: readonly Fact[];
    }
  | {
      /** It ran outside of a transaction, statement by statement, and did not end. */
      readonly kind: "interrupted";
      readonly progress: Progress;
      /** Versions of others that did not end either. */
      readonly others: readonly string[];
      /** Where the row about it stands. */
      readonly table: string;
      /** Null: no file has this version. */
      readonly file: string | null;
      /** The file is no longer the one that began. */
      readonly isEdited: boolean;
      readonly indexes: readonly Fact[];
    }
  | {
      /** The tool's own program began it or was about to, it commits in parts, and only its version row would tell that it ended. */
      readonly kind: "begun";
      readonly revision: string;
      readonly file: string;
      /** What the version rows would be with it. */
      readonly heads: Heads;
      readonly pending: readonly string[];
    }
  | {
      /** Another tool's table says that a migration did not end. */
      readonly kind: "dirty";
      readonly table: string;
      readonly version: string;
    }
  | {
      readonly kind: "half-done";
      readonly revision: string;
      readonly done: readonly Change[];
      readonly undone: readonly Change[];
    };

/** A data migration of which nothing shows that it ran. */
export type UnseenData = {
  readonly revision: string;
  readonly file: string;
  /** What was looked for in vain; empty: it leaves nothing to look for. */
  readonly lacks: readonly Lack[];
};

export type Change = { readonly kind: "adds" | "drops"; readonly fact: Fact };

/** The states of which one has exactly the facts that are here. */
export function statesOf(identified: Finding): readonly Heads[] {
  switch (identified.kind) {
    case "proven":
      return [identified.heads];
    case "ambiguous":
      return identified.candidates;
    default:
      return [];
  }
}

/** The state that the facts were found to equal; null: none, or nothing to compare with. */
export function provenHeads(verdict: Verdict): Heads | null {
  switch (verdict.kind) {
    case "current":
    case "overlapping":
      return verdict.verified ? verdict.heads : null;
    case "behind":
      return verdict.verified && verdict.skipped.length === 0 ? verdict.heads : null;
    case "fresh":
      return [];
    case "unversioned":
    case "mismatched":
    case "missing-file":
      return verdict.identified.kind === "proven" ? verdict.identified.heads : null;
    default:
      return null;
  }
}

export function differencesOf(verdict: Verdict): readonly Difference[] {
  switch (verdict.kind) {
    case "behind":
    case "drifted":
      return verdict.differences;
    case "ahead":
      return verdict.lacking;
    case "unversioned":
    case "mismatched":
    case "missing-file":
      switch (verdict.identified.kind) {
        case "proven":
          return verdict.identified.extras;
        case "nearest":
          return verdict.identified.differences;
        default:
          return [];
      }
    default:
      return [];
  }
}

/**
 * Whether something was concluded from its not being there, or nothing could be concluded at all: it may be in another
 * schema. Rows that are the heads, with the facts that belong to them, need no such question.
 */
export function restsOnAbsence(verdict: Verdict): boolean {
  switch (verdict.kind) {
    case "current":
    case "overlapping":
      return false;
    case "drifted":
      return verdict.differences.some(({ tolerable }) => !tolerable);
    default:
      return true;
  }
}

/** The extras of a verdict whose kind is in doubt. */
export function extrasInDoubt(verdict: Verdict): readonly Fact[] {
  return differencesOf(verdict).flatMap((difference) =>
    difference.kind === "extra" && isInDoubt(difference.fact) ? [difference.fact] : [],
  );
}

/** The facts, with what was found out about those that were in doubt. */
export function withEvaluated(
  facts: readonly Fact[],
  asked: readonly Fact[],
  answers: ReadonlyMap<string, readonly string[]>,
): readonly Fact[] {
  const places = new Set(asked.map(placeKey));
  return facts.map((fact) => {
    const place = placeKey(fact);
    return places.has(place) ? { ...fact, evaluates: answers.get(place) ?? [] } : fact;
  });
}
