/** What a person has decided beforehand. */
export type Policy = {
  readonly stamp: "proven" | "never";
  readonly drift: "fail" | "warn";
  readonly ahead: "compatible" | "allow" | "refuse";
  /** A person's word for an unproven database: a revision id. */
  readonly assume: string | null;
};
