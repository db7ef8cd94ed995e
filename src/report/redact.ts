import { eitherAlphabet, inBase64, inHex, spellings } from "./spellings.ts";

/**
 * The one choke point before anything is printed: our own lines, the verdict and the child's output.
 * Each secret is found raw, percent-encoded in any flavour (JavaScript, Python's `quote` and `quote_plus`,
 * SQLAlchemy, twice), with `%` doubled for ConfigParser, escaped as in JSON, Python's `repr`, a DSN, a shell or HTML, in
 * hexadecimal digits and as base64 at any offset; and so is the password of any `scheme://user:password@`, known or not.
 * Overlaps go as one. Of a very long text only the beginning is shown.
 * @param names those of the secrets that are names as well, and plain words: they are hidden where a password can stand
 */
export function makeRedactor(
  secrets: readonly string[],
  names: readonly string[] = [],
): (text: string) => string {
  const others = secrets.filter((secret) => !names.includes(secret));
  const parts = [...new Set(others.flatMap(partsOf))];
  const searches = [...parts.flatMap(searchesFor), ...names.flatMap(searchesForName)];
  return (text) => {
    const spans = [
      ...searches.flatMap((search) => search(text)),
      ...findHalves(parts, text),
      ...findPasswords(text),
    ];
    if (spans.length === 0 && text.length <= mostShown) return text;
    return show(text, mergeSpans(spans));
  };
}

/** In UTF-16 units. Whoever cuts a text before must leave far more. */
export const mostShown = 64 * 1024;

/** The same for every string in a JSON-like value; keys, numbers and the rest stay as they are. */
export function redactDeep<T>(redact: (text: string) => string, value: T): T;
export function redactDeep(redact: (text: string) => string, value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((item: unknown) => redactDeep(redact, item));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [key, redactDeep(redact, item)]),
  );
}

/** `a` or `v1` as a password would blot out every text: a shorter one is looked for as a word of its own. */
const shortest = 4;
const longestPart = 256;

/**
 * What is a secret by itself: a child's output comes line by line, so each line of a secret is; and a very long one is
 * looked for piece by piece, since it may be shown in part.
 */
function partsOf(secret: string): readonly string[] {
  const lines = secret.split(/[\r\n]+/).map((line) => line.trim());
  const telling = lines.length === 1 ? [] : lines.filter((line) => line.length >= shortest);
  return [secret, ...telling].filter((part) => part !== "").flatMap(cutToPieces);
}

function cutToPieces(text: string): readonly string[] {
  const characters = Array.from(text);
  if (characters.length <= longestPart) return [text];
  return Array.from({ length: Math.ceil(characters.length / longestPart) }, (_, index) => {
    // The last piece is as long as the others: a short one might be an innocent word.
    const from = Math.min(index * longestPart, characters.length - longestPart);
    return characters.slice(from, from + longestPart).join("");
  });
}

type Search = (text: string) => readonly Span[];

function searchesFor(part: string): readonly Search[] {
  if (part.length < shortest)
    return [
      searchFor(part, () => spellings(part).map((source) => `${wordStart}${source}${wordEnd}`)),
    ];
  return [searchFor(part, () => spellings(part)), ...encodedSearchesFor(part)];
}

function encodedSearchesFor(part: string): readonly Search[] {
  return [
    searchFor("", () => [inHex(part)]),
    ...inBase64(part).map((digits) => searchFor(digits, () => [eitherAlphabet(digits)])),
  ];
}

/** A plain word is spelled in one way. Whoever encodes it does so because it is a secret. */
function searchesForName(name: string): readonly Search[] {
  const places = [
    // Of an address without its scheme, or of one that was encoded.
    String.raw`(?::|%3A|%253A|&#58;|\\u003a)(${name})(?=@|%40|%2540|&#64;|\\u0040|\.{3}|…)`,
    // `PGPASSWORD=shop`, `password: 'shop'`, `--password shop`.
    String.raw`(?:pass(?:word|wd|phrase)?|pwd)[\w.-]{0,40}["'\\]{0,3}\s{0,3}[:=\s]\s{0,3}["'\\]{0,3}(${name})(?![\w-])`,
    String.raw`(?:secret|token|key|credentials?)[\w.-]{0,40}["'\\]{0,3}\s{0,3}[:=]\s{0,3}["'\\]{0,3}(${name})(?![\w-])`,
    // A line of libpq's password file.
    String.raw`^[^\s:]{1,300}:(?:\d{1,5}|\*):[^\s:]{1,300}:[^\s:]{1,300}:(${name})$`,
  ];
  const patterns = places.map((place) => new RegExp(place, "dgim"));
  return [
    (text) => (text.includes(name) ? findGroups(patterns, text) : []),
    ...(name.length < shortest ? [] : encodedSearchesFor(name)),
  ];
}

/** Behind no letter or digit, unless that ends an escape: `\n`, `\x3a`, `%3A`, a colour of a terminal. */
const wordStart = String.raw`(?:(?<![A-Za-z0-9])|(?<=\\(?:[a-z]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})|%[0-9A-Fa-f]{2}|\u001b\[[0-9;]*[A-Za-z]))`;
const wordEnd = "(?![A-Za-z0-9])";

/**
 * Letters, digits and `_.-` are the same in every spelling, so a text without the longest run of them holds none:
 * nearly every line is done without a pattern, and nearly every run without compiling one.
 */
function searchFor(written: string, sources: () => readonly string[]): Search {
  const runs = written.split(/[^\w.-]+/);
  const longest = runs.reduce((a, b) => (b.length > a.length ? b : a), "");
  let patterns: readonly RegExp[] | null = null;
  return (text) => {
    if (!text.includes(longest)) return [];
    patterns ??= sources().map((source) => new RegExp(source, "g"));
    return patterns.flatMap((pattern) => findSpans(pattern, text));
  };
}

/** Texts are cut in many places, ours and others', with three dots: what stands there of a secret is half of it. */
function findHalves(parts: readonly string[], text: string): readonly Span[] {
  if (!/\.\.\.|…/.test(text)) return [];
  const dots = [...text.matchAll(/(?:\.{3}|…)[.…]*/g)];
  return parts.flatMap((part) =>
    dots.flatMap(({ index, 0: { length } }): readonly Span[] => {
      const end = index + length;
      const before = longestOf(
        part,
        (size) => part[size - 1] === text[index - 1] && text.endsWith(part.slice(0, size), index),
      );
      const after = longestOf(
        part,
        (size) => part.at(-size) === text[end] && text.startsWith(part.slice(-size), end),
      );
      return [
        ...(before === 0 ? [] : [[index - before, index] as const]),
        ...(after === 0 ? [] : [[end, end + after] as const]),
      ];
    }),
  );
}

/** How much of a part stands there; 0: less than would tell anything. */
function longestOf(part: string, stands: (size: number) => boolean): number {
  for (let size = part.length - 1; size >= shortest; size -= 1) if (stands(size)) return size;
  return 0;
}

/** A secret that stands where the text is cut is shown as one. */
function show(text: string, spans: readonly Span[]): string {
  let result = "";
  let done = 0;
  for (const [start, end] of spans) {
    if (start >= mostShown) break;
    result += `${text.slice(done, start)}***`;
    done = end;
  }
  if (text.length <= mostShown) return result + text.slice(done);
  return `${result}${text.slice(done, mostShown)}… (cut: the text is longer than ${mostShown / 1024} KiB)`;
}

/** A part of a text, from its first character to behind its last. */
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

/** What is left of a longer secret beside a shorter one would still tell: spans that touch go as one. */
function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = [];
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last === undefined || start > last[1]) merged.push([start, end]);
    else merged[merged.length - 1] = [last[0], Math.max(last[1], end)];
  }
  return merged;
}

/** Passwords that nobody told us of, known by where they stand. */
function findPasswords(text: string): readonly Span[] {
  return findGroups(places, text);
}

/** @param patterns each with a group for what is to be hidden, and the flags `d` and `g` */
function findGroups(patterns: readonly RegExp[], text: string): readonly Span[] {
  return patterns.flatMap((each) => [...text.matchAll(each)].map(({ indices }) => indices![1]!));
}

/** Each looks forward only: what looks back over a run of signs from each of them takes the square of its length. */
const places: readonly RegExp[] = [
  // Of any URL: it ends at the last `@` before a slash, quote or space, as a careless one may hold more; or it is cut.
  /:\/\/[^\s/?#:@"'<>]*:([^\s/"'<>]+)(?:@|\.\.\.|…)/dg,
  // `PASSWORD 'secret'`, as CREATE ROLE and its like have it.
  /\bpassword\s+E?'((?:[^']|'')+)/dgi,
  // `password=secret` of a connection string, also inside of a literal.
  /\b(?:password|passwd|pwd)\s?=\s?["']*([^\s"',;&]+)/dgi,
  // `"password": "secret"` of JSON, `'password': 'secret'` of a Python dict.
  /["'](?:password|passwd|pwd)["']: ?["']((?:[^"'\\]|\\.)+)/dgi,
];
