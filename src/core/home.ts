import type { Fact } from "./facts.ts";

/** What a bake found out about the schema that the history lives in, its home. */
export type LedgerHome =
  /** Whatever it does not name moves with the search_path: its facts stand in the ledger relative to the home. */
  | { readonly kind: "relative" }
  /** It works only where `public` is the home: its replay in another one failed, or came to something else. */
  | { readonly kind: "bound" }
  /** The tool's own program puts this schema first, whatever the session's path was. */
  | {
      readonly kind: "program";
      readonly schema: string;
      /** Its files say so in these words; otherwise the name may come from a variable. */
      readonly isFixed: boolean;
    }
  /** A ledger of the first release, which was baked in `public` and asked nothing else. */
  | { readonly kind: "unknown" };

/** Stands in a ledger for the name of the home. */
const mark = "<home>";

/** Text as a ledger keeps it: what only looks like the mark is written with one more `<`. */
function escapeMarks(text: string): string {
  return text.includes("home>") ? text.replaceAll(/<+home>/g, "<$&") : text;
}

/** @param spelled the home's name as PostgreSQL prints it in a definition */
export function textAtHome(text: string, spelled: string): string {
  if (!text.includes(mark)) return text;
  return text.replaceAll(/(<+)home>/g, (_, brackets: string) =>
    brackets.length === 1 ? spelled : `${brackets.slice(1)}home>`,
  );
}

export function factAtHome(fact: Fact, spelled: string): Fact {
  const object = textAtHome(fact.object, spelled);
  const name = textAtHome(fact.name, spelled);
  const definition = textAtHome(fact.definition, spelled);
  return object === fact.object && name === fact.name && definition === fact.definition
    ? fact
    : { kind: fact.kind, object, name, definition };
}

export function escapeFact(fact: Fact): Fact {
  return mapTexts(fact, escapeMarks);
}

/** Whether the object of a ledger's fact moves with the home. */
export function isInHome({ object }: Fact): boolean {
  return object.startsWith(`${mark}.`);
}

/**
 * Relative to the home: from how the server spelled it when the history lived in `other`, a name that stands nowhere else.
 * What stayed as it is in `public` is named by the history.
 */
function relativeText(text: string, other: string): string {
  return text.split(other).map(escapeMarks).join(mark);
}

export function relativeFact(fact: Fact, other: string): Fact {
  return mapTexts(fact, (text) => relativeText(text, other));
}

/** The same where the history could not be moved: every name in `schema` counts as the home's. A guess. */
export function assumedRelative(fact: Fact, schema: string): Fact {
  const name = schema.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const names = new RegExp(`(?<![\\w."$])${name}(?=\\.)|(?<=^SCHEMA )${name}$`, "g");
  return mapTexts(fact, (text) => escapeMarks(text).replaceAll(names, mark));
}

function mapTexts({ kind, object, name, definition }: Fact, map: (text: string) => string): Fact {
  return { kind, object: map(object), name: map(name), definition: map(definition) };
}
