import { parse } from "shell-quote";
import { z } from "zod";
import { parseProgramEnv } from "../core/program-env.ts";

/**
 * What the text of a setting may be. A message continues the sentence "--flag …" and never repeats
 * the value: it may be a secret that landed in the wrong place.
 */

/** `500ms`, `30s`, `5m`, `1h`; a bare number is seconds. In milliseconds. */
export const duration = z.string().transform((text, context) => {
  const milliseconds = readDuration(text.trim());
  if (milliseconds !== null) return milliseconds;
  context.addIssue("must be a duration such as 500ms, 30s, 5m or 1h, at most 24 days");
  return z.NEVER;
});

/** A duration above zero, or `none`, which is null. */
export const limit = z.string().transform((text, context) => {
  if (text.trim() === "none") return null;
  const milliseconds = readDuration(text.trim());
  if (milliseconds !== null && milliseconds > 0) return milliseconds;
  context.addIssue("must be none, or a duration above 0 such as 30s, 5m or 1h, at most 24 days");
  return z.NEVER;
});

/** Yes and no in the spellings that people use in environments. */
export const yesOrNo = z.string().transform((text, context) => {
  const word = text.trim().toLowerCase();
  if (["true", "1", "yes", "on"].includes(word)) return true;
  if (["false", "0", "no", "off"].includes(word)) return false;
  context.addIssue("must be true or false (or 1, 0, yes, no, on, off)");
  return z.NEVER;
});

/** One word out of a few. */
export function oneOf<const Words extends readonly [string, ...string[]]>(known: Words) {
  return z
    .string()
    .trim()
    .pipe(z.enum(known, { error: `must be ${alternatives(known)}` }));
}

/** `alembic, sql or supabase` */
export function alternatives(known: readonly string[]): string {
  return `${known.slice(0, -1).join(", ")} or ${known.at(-1)}`;
}

export const anyText = z.string();

/** A revision id, or `base`. Names that move are refused: a person's word is about one revision. */
export const revisionId = z
  .string()
  .trim()
  .regex(/^\S+$/, { error: "must be one revision id" })
  .refine((id) => !["head", "heads", "current"].includes(id), {
    error: "must be the id of one revision, not a name that moves such as head",
  });

/** `[schema.]name`, as PostgreSQL spells identifiers. */
export const tableName = z.string().transform((text, context) => {
  const identifier = String.raw`"(?:[^"]|"")+"|[^".\s]+`;
  const match = new RegExp(`^(?:(${identifier})\\.)?(${identifier})$`).exec(text.trim());
  const [, schema = null, name = null] = match ?? [];
  if (name === null) {
    context.addIssue('must be name or schema.name, with "…" around a name that needs quotes');
    return z.NEVER;
  }
  for (const fault of [schema, name].flatMap(faultsOfIdentifier)) context.addIssue(fault);
  return { schema: schema === null ? null : unquote(schema), name: unquote(name) };
});

/** Names of objects, which may hold blanks and commas. */
export const objects = z.string().transform((text) =>
  text
    .split(";")
    .map((each) => each.trim())
    .filter((each) => each !== ""),
);

/** What the application's own program is given the address in. */
export const programEnv = z.string().transform((text, context) => {
  const { variables, faults } = parseProgramEnv(text);
  for (const fault of faults) context.addIssue(fault);
  return variables;
});

/** A command line, split into words as a shell would; what only a shell could do is refused. */
export const words = z.string().transform((text, context) => {
  const beyond = whatNeedsAShell(text.trim());
  // It throws at some of what only a shell could do.
  const split = beyond === null ? parse(text.trim(), () => ({ op: "variable" })) : [];
  const plain = split.filter((word) => typeof word === "string");
  if (beyond !== null) context.addIssue(beyond);
  else if (plain.length < split.length) {
    context.addIssue("uses an operator, a pattern, a variable or a comment, but no shell runs it");
  } else if (plain[0] === undefined || plain[0] === "") {
    context.addIssue("must begin with the name of a program");
  } else if (/^\w+=/.test(plain[0])) {
    context.addIssue("begins with an assignment, but no shell runs it: begin with env");
  }
  return plain;
});

/** Node's timers end at 2^31-1 milliseconds; a longer one would fire at once. */
const longestDuration = 24 * 24 * 3_600_000;

function readDuration(text: string): number | null {
  const [, count, unit = "s"] = /^(\d{1,10})(ms|s|m|h)?$/.exec(text) ?? [];
  if (count === undefined) return null;
  const length = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN;
  const milliseconds = Number(count) * length;
  return milliseconds <= longestDuration ? milliseconds : null;
}

/**
 * PostgreSQL folds an unquoted name to lower case, Alembic's own setting keeps it: a name where the
 * two differ must be quoted. Names over 63 bytes are cut off by the server.
 */
function faultsOfIdentifier(name: string | null): readonly string[] {
  if (name === null) return [];
  if (!name.startsWith('"') && !/^[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*$/.test(name)) {
    return ['needs "…" around a name with capital letters or signs'];
  }
  if (new TextEncoder().encode(unquote(name)).length > 63) return ["must be at most 63 bytes long"];
  return [];
}

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

/** What shell-quote lets through as text: open quotes, substitutions, braces, tildes, line breaks. */
function whatNeedsAShell(text: string): string | null {
  let quote: "'" | '"' | null = null;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text.charAt(at);
    if (sign === "\\" && quote !== "'") {
      if (at === text.length - 1) return "ends with a backslash";
      at += 1;
    } else if (quote === null && (sign === "'" || sign === '"')) quote = sign;
    else if (sign === quote) quote = null;
    else if (quote !== "'" && (sign === "`" || sign === "$")) {
      return "uses a variable or a substitution, but no shell runs it";
    } else if (quote === null && /[{}[\]\r\n]/.test(sign)) {
      return "uses a pattern, a brace or a line break, but no shell runs it";
    } else if (quote === null && sign === "~" && /^\s?$/.test(text.charAt(at - 1))) {
      return "begins a word with ~, but no shell runs it";
    }
  }
  return quote === null ? null : "has a quote that is not closed";
}
