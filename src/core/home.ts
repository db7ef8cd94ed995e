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

/** Stands in a ledger for the name of the home. Brackets that stand before it, or only seem to begin it, are doubled. */
const mark = "<home>";

/** @param spelled the home's name as PostgreSQL prints it in a definition */
export function textAtHome(text: string, spelled: string): string {
  if (!text.includes("home>")) return text;
  if (!text.includes("<<home>")) return text.replaceAll(mark, () => spelled);
  return text.replaceAll(/(<+)home>/g, (_, { length }: string) => {
    const brackets = "<".repeat(Math.floor(length / 2));
    return `${brackets}${length % 2 === 1 ? spelled : "home>"}`;
  });
}

/** Pieces of a text, between which the home's name stood, as a ledger keeps it. */
function marked(pieces: readonly string[]): string {
  const last = pieces.length - 1;
  return pieces
    .map((piece, index) => {
      const escaped = piece.includes("<") ? piece.replaceAll(/<+(?=home>)/g, "$&$&") : piece;
      return index < last ? escaped.replace(/<+$/, "$&$&") : escaped;
    })
    .join(mark);
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
  return mapTexts(fact, escapeText);
}

/** As a ledger keeps a text in which the home is not named. */
export function escapeText(text: string): string {
  return marked([text]);
}

/** Whether the object of a ledger's fact moves with the home. */
export function isInHome({ kind, object, definition }: Fact): boolean {
  return object.startsWith(`${mark}.`) || (kind === "extension" && definition.endsWith(mark));
}

/**
 * Relative to the home: from how the server spelled it when the history lived in `other`, a name that stands nowhere else.
 * What stayed as it is in `public` is named by the history.
 */
export function relativeFact(fact: Fact, other: string): Fact {
  return mapTexts(fact, (text) => marked(text.split(other)));
}

/** The same where the history could not be moved: every name in `schema` counts as the home's. A guess. */
export function assumedRelative(fact: Fact, schema: string): Fact {
  const name = schema.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const names = new RegExp(`(?<![\\w."$])${name}(?=\\.)|(?<=^SCHEMA )${name}$`, "g");
  return mapTexts(fact, (text) => marked(text.split(names)));
}

function mapTexts({ kind, object, name, definition }: Fact, map: (text: string) => string): Fact {
  return { kind, object: map(object), name: map(name), definition: map(definition) };
}
