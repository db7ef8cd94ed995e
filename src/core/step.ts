import type { Assumption } from "./assume.ts";
import type { FactKind } from "./facts.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Observation } from "./observation.ts";
import type { Outcome } from "./outcome.ts";
import type { Repair } from "./repair-piece.ts";

/** What will be done about a verdict: data that can be printed before it is run. */
export type Plan =
  | { readonly kind: "start" }
  | {
      readonly kind: "act";
      readonly steps: readonly Step[];
      /** What speaks against it and a person has overruled, in words. */
      readonly inSpiteOf?: readonly string[];
    }
  | Refusal;

export type Refusal = {
  readonly kind: "refuse";
  readonly outcome: Outcome;
  /** A row of the table of refusals. */
  readonly cause: string;
  /** What was seen and what it means. */
  readonly reason: string;
  /** What a person can do, one way a line. */
  readonly next: readonly string[];
};

export type Step =
  | {
      /** Replaces the version rows, which must still be `from`, by `to`. */
      readonly kind: "stamp";
      readonly from: readonly string[];
      readonly to: readonly string[];
      /** What the schema proves, a person's word that it does not contradict, or `preflight stamp`. */
      readonly because: "proven" | "assumed" | "asked";
    }
  /** Puts back the rows that a stamp has replaced, as its entry in the journal keeps them. */
  | {
      readonly kind: "undo";
      readonly entry: number;
      readonly from: readonly string[];
      readonly to: readonly string[];
    }
  /** Makes the version column hold ids of `to` characters. */
  | { readonly kind: "widen"; readonly to: number }
  /** Makes what is missing of the state `to`. */
  | (Repair & {
      readonly kind: "repair";
      readonly to: readonly string[];
      /** Kinds of objects of which the ledger says nothing. */
      readonly unseen: readonly FactKind[];
    })
  /** Runs these revisions, in the tool's own order. */
  | { readonly kind: "upgrade"; readonly revisions: readonly string[] };

/** What a person has decided beforehand. */
export type Policy = {
  readonly stamp: "proven" | "never";
  readonly drift: "fail" | "warn";
  readonly ahead: "compatible" | "allow" | "refuse";
  /** Whether to start where no ledger, or a stale one, leaves the schema unverified. */
  readonly unverified: "start" | "refuse";
  /** A person's word for an unproven database: a revision id. */
  readonly assume: string | null;
  /** Run a file although one that comes after it is applied. */
  readonly allowOutOfOrder: boolean;
  /** Go on where a migration stopped half-way outside of a transaction. */
  readonly resume: boolean;
};

/** What a plan rests on besides the verdict. */
export type PlanBasis = {
  readonly knowledge: Knowledge;
  readonly observation: Observation;
  /** `policy.assume`, checked. */
  readonly assumption: Assumption | null;
};
