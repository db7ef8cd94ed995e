/**
 * The one choke point before anything is printed: our own lines, the verdict and the child's output.
 * Each secret is found raw, percent-encoded in any flavour (JavaScript, Python's `quote` and `quote_plus`,
 * SQLAlchemy), with `%` doubled for ConfigParser, escaped as in JSON or Python's `repr`, and as base64 at any
 * offset; and so is the password of any `scheme://user:password@`, known or not. Overlaps go as one.
 */
export function makeRedactor(secrets: readonly string[]): (text: string) => string {
  const searches = [...new Set(secrets)]
    .filter((secret) => secret !== "")
    .flatMap((secret) => [
      searchFor(secret, () => spellings(secret)),
      ...inBase64(secret).map((digits) => searchFor(digits, () => [eitherAlphabet(digits)])),
    ]);
  return (text) => {
    const spans = searches.flatMap((search) => search(text));
    return replaceSpans(text, [
      ...spans,
      ...findSpans(userinfo, text),
      ...findSpans(sqlPassword, text),
      ...findSpans(parameter, text),
    ]);
  };
}

/** The same for every string in a JSON-like value; keys, numbers and the rest stay as they are. */
export function redactDeep<T>(redact: (text: string) => string, value: T): T {
  return redactValue(redact, value) as T;
}

function redactValue(redact: (text: string) => string, value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactValue(redact, item));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, redactValue(redact, item)]),
  );
}

/** The password of any URL: it ends at the last `@` before a slash, quote or space, as a careless one may hold more. */
const userinfo = /(?<=:\/\/[^\s/?#:@"'<>]*:)[^\s/"'<>]+(?=@)/g;

/** `PASSWORD 'secret'`, as CREATE ROLE and its like have it. */
const sqlPassword = /(?<=\bpassword\s+E?')(?:[^']|'')+/gi;

/** `password=secret` of a connection string, also inside of a literal. */
const parameter = /(?<=\b(?:password|passwd|pwd)\s?=\s?["']*)[^\s"',;&]+/gi;

/**
 * Letters, digits and `_.-` are the same in every spelling, so a text without the longest run of them holds none:
 * nearly every line is done without a pattern, and nearly every run without compiling one.
 */
function searchFor(written: string, sources: () => readonly string[]) {
  const runs = written.split(/[^\w.-]+/);
  const longest = runs.reduce((a, b) => (b.length > a.length ? b : a), "");
  let patterns: readonly RegExp[] | null = null;
  return (text: string): readonly Span[] => {
    if (!text.includes(longest)) return [];
    patterns ??= [...new Set(sources())].map((source) => new RegExp(source, "g"));
    return patterns.flatMap((pattern) => findSpans(pattern, text));
  };
}

/** Regular expressions that together match every way in which a secret may be written. */
function spellings(secret: string): readonly string[] {
  const characters = Array.from(secret);
  const whole = (spell: (character: string) => string) => characters.map(spell).join("");
  return ["%", "%%"].flatMap((percent) => [
    whole((character) => either(literal(character, percent), ...encoded(character, percent))),
    whole((character) => either(escaped(character, percent), ...encoded(character, percent))),
  ]);
}

function literal(character: string, percent: string): string {
  return character === "%" ? percent : quoteForRegExp(character);
}

/**
 * Percent-encoded, in either case of hexadecimal digits; a space may be a plus. No encoder touches letters, digits
 * and `_.-`.
 */
function encoded(character: string, percent: string): readonly string[] {
  if (/[\w.-]/.test(character)) return [];
  const bytes = [...new TextEncoder().encode(character)];
  const code = bytes.map((byte) => percent + inAnyCase(hex(byte, 2))).join("");
  return character === " " ? [code, String.raw`\+`] : [code];
}

/** As in a JSON string or in Python's repr of a str or of bytes; what they leave alone stays. */
function escaped(character: string, percent: string): string {
  const backslash = String.raw`\\`;
  if (character === "\\") return backslash + backslash;
  if (`"'/`.includes(character)) return `(?:${backslash})?${quoteForRegExp(character)}`;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f) return literal(character, percent);
  const short = { 8: "b", 9: "t", 10: "n", 12: "f", 13: "r" }[code];
  const units = character.split("").map((unit) => unit.charCodeAt(0));
  const bytes = [...new TextEncoder().encode(character)];
  const write = (prefix: string, value: number, width: number) =>
    backslash + prefix + inAnyCase(hex(value, width));
  return either(
    quoteForRegExp(character),
    ...(short === undefined ? [] : [backslash + short]),
    units.map((unit) => write("u", unit, 4)).join(""),
    write("U", code, 8),
    ...(code < 0x100 ? [write("x", code, 2)] : []),
    bytes.map((byte) => write("x", byte, 2)).join(""),
  );
}

/**
 * The base64 digits that the secret alone decides, for each place where it can begin in a group of three bytes.
 * Under six digits are not looked for: they would be found in innocent words.
 */
function inBase64(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].flatMap((offset) => {
    const digits = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const own = digits.slice(
      Math.ceil((offset * 8) / 6),
      Math.floor(((offset + bytes.length) * 8) / 6),
    );
    return own.length < 6 ? [] : [own];
  });
}

/** base64url writes the last two digits in another way. */
function eitherAlphabet(digits: string): string {
  return digits.replaceAll("+", "[+-]").replaceAll("/", "[/_]");
}

type Span = readonly [start: number, end: number];

/**
 * Overlapping matches of one pattern count too: a secret may repeat its own beginning. The patterns have no `u` flag,
 * with which a search from inside a surrogate pair would step back to its start for ever.
 */
function findSpans(pattern: RegExp, text: string): readonly Span[] {
  const spans: Span[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    spans.push([match.index, match.index + match[0].length]);
    pattern.lastIndex = match.index + 1;
  }
  return spans;
}

function replaceSpans(text: string, spans: readonly Span[]): string {
  let result = "";
  let done = 0;
  for (const [start, end] of mergeSpans(spans)) {
    result += `${text.slice(done, start)}***`;
    done = end;
  }
  return result + text.slice(done);
}

/** What is left of a longer secret beside a shorter one would still tell: overlapping spans go as one. */
function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = [];
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last === undefined || start >= last[1]) merged.push([start, end]);
    else merged[merged.length - 1] = [last[0], Math.max(last[1], end)];
  }
  return merged;
}

function either(...spelled: readonly string[]): string {
  const [only = "", ...more] = new Set(spelled);
  return more.length === 0 ? only : `(?:${[only, ...more].join("|")})`;
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}

function inAnyCase(digits: string): string {
  return digits.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function quoteForRegExp(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/u, String.raw`\$&`);
}
