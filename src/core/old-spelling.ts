import type { Fact, FactKind } from "./facts.ts";

/**
 * PostgreSQL 13 stores `x AT TIME ZONE 'utc'` as the call of a function and prints `timezone('utc'::text, x)`; 14 and
 * newer keep the words. A database that was once restored from 13 keeps the calls. This gives one spelling to both.
 * Only a guess: it counts when the ledger has the result, word for word.
 */
export function inWords(fact: Fact): Fact {
  if (!holdExpressions.has(fact.kind)) return fact;
  const held = isRoutine(fact) ? headOf(fact.definition) : fact.definition;
  const words = rewrite(held);
  // EXTRACT gives numeric since 14, and double precision before: what it is compared with is cast accordingly.
  const spelled = words.includes("EXTRACT(")
    ? words
        .replaceAll("::double precision", "::numeric")
        .replaceAll(/\((-?\d+\.\d+)\)::numeric/g, "$1")
    : words;
  return spelled === held
    ? fact
    : { ...fact, definition: spelled + fact.definition.slice(held.length) };
}

function isRoutine({ kind }: Fact): boolean {
  return kind === "function" || kind === "procedure";
}

/** Its name and arguments with their defaults, as pg_get_functiondef begins; the body is the application's own text. */
function headOf(definition: string): string {
  return /^[^]*?(?=\n (?:RETURNS|LANGUAGE) )/.exec(definition)?.[0] ?? "";
}

const holdExpressions: ReadonlySet<FactKind> = new Set([
  "table",
  "partition",
  "viewdef",
  "rule",
  "column",
  "constraint",
  "index",
  "domain",
  "policy",
  "trigger",
  "statistics",
  "function",
  "procedure",
]);

const calls: Readonly<Record<string, (args: readonly string[]) => string | null>> = {
  timezone: ([zone, time, ...more]) =>
    time === undefined || more.length > 0 ? null : `(${time} AT TIME ZONE ${zone})`,
  date_part: ([field = "", from, ...more]) => {
    const name = /^'(\w+)'::text$/.exec(field)?.[1];
    return name === undefined || from === undefined || more.length > 0
      ? null
      : `EXTRACT(${name} FROM ${from})`;
  },
  '"substring"': ([text, from, length]) => {
    if (from === undefined || /^'.*'::text$/.test(from)) return null;
    return `SUBSTRING(${text} FROM ${from}${length === undefined ? "" : ` FOR ${length}`})`;
  },
  btrim: (args) => trim("BOTH", args),
  ltrim: (args) => trim("LEADING", args),
  rtrim: (args) => trim("TRAILING", args),
  '"position"': ([text, part]) => (part === undefined ? null : `POSITION((${part}) IN (${text}))`),
  '"overlay"': ([text, part, from, length]) =>
    from === undefined
      ? null
      : `OVERLAY(${text} PLACING ${part} FROM ${from}${length === undefined ? "" : ` FOR ${length}`})`,
  '"overlaps"': ([start1, end1, start2, end2]) =>
    end2 === undefined ? null : `((${start1}, ${end1}) OVERLAPS (${start2}, ${end2}))`,
  '"normalize"': ([text, form]) => {
    if (form === undefined) return `NORMALIZE(${text})`;
    const name = /^'(\w+)'::text$/.exec(form)?.[1];
    return name === undefined ? null : `NORMALIZE(${text}, ${name.toUpperCase()})`;
  },
  is_normalized: ([text, form]) => {
    if (form === undefined) return `(${text} IS NORMALIZED)`;
    const name = /^'(\w+)'::text$/.exec(form)?.[1];
    return name === undefined ? null : `(${text} IS ${name.toUpperCase()} NORMALIZED)`;
  },
};

function trim(side: string, [text, characters, ...more]: readonly string[]): string | null {
  if (text === undefined || more.length > 0) return null;
  return `TRIM(${side} ${characters === undefined ? "" : `${characters} `}FROM ${text})`;
}

/** A quoted string or name, or a word; anything else is one character. */
const token = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[\p{L}_][\p{L}\p{N}_$]*|[\s\S]/gu;

function rewrite(text: string): string {
  const tokens = text.match(token) ?? [];
  let at = 0;
  return upTo(null);

  /** The rewritten text before a closing character, which stays. */
  function upTo(end: string | null): string {
    let out = "";
    let before = "";
    while (at < tokens.length && tokens[at] !== end) {
      const here = tokens[at]!;
      const spell = before === "." ? undefined : calls[here];
      at += 1;
      if (spell !== undefined && tokens[at] === "(") {
        at += 1;
        const args = split(upTo(")"));
        at += 1;
        out += spell(args) ?? `${here}(${args.join(", ")})`;
      } else if (here === "(") {
        out += `(${upTo(")")})`;
        at += 1;
      } else out += here;
      before = here;
    }
    return out;
  }
}

/** At the commas that stand in no brackets. */
function split(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const here of text.match(token) ?? []) {
    if (here === "(" || here === "[") depth += 1;
    if (here === ")" || here === "]") depth -= 1;
    if (here === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
    } else part += here;
  }
  return part.trim() === "" ? parts : [...parts, part.trim()];
}
