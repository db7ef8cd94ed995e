/**
 * Regular expressions that together match every way in which a secret may be written, base64 and hexadecimal digits
 * aside. Each is of one family, in which what a character is spelled like never begins another spelling of it that could
 * go on as well: nothing has to be tried in every combination.
 */
export function spellings(secret: string): readonly string[] {
  const characters = Array.from(secret);
  const whole = (spell: (character: string) => string) => characters.map(spell).join("");
  const sources = [
    ...["%", "%%", "%25"].map((percent) =>
      whole((character) => either(literal(character, percent), ...encoded(character, percent))),
    ),
    ...["%", "%%"].map((percent) =>
      whole((character) => either(escaped(character, percent), ...encoded(character, percent))),
    ),
    whole(escapedTwice),
    whole(inHtml),
    whole(inQuotes),
  ];
  return [...new Set(sources)];
}

/** As bytes in hexadecimal digits, in either case, and with what dumps put between two bytes. */
export function inHex(secret: string): string {
  return bytesOf(secret)
    .map((byte) => inAnyCase(hex(byte, 2)))
    .join(String.raw`(?:\\x|, ?0x|0x|[%\s:-])?`);
}

/**
 * The base64 digits that the secret alone decides, for each place where it can begin in a group of three bytes.
 * Under six digits are not looked for: they would be found in innocent words.
 */
export function inBase64(secret: string): readonly string[] {
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
export function eitherAlphabet(digits: string): string {
  return digits.replaceAll("+", "[+-]").replaceAll("/", "[/_]");
}

/** Letters, digits and `_.-` are the same in every spelling. */
const plain = /[\w.-]/;

function literal(character: string, percent: string): string {
  return character === "%" ? percent : quoteForRegExp(character);
}

/** Percent-encoded, in either case of hexadecimal digits; a space may be a plus. */
function encoded(character: string, percent: string): readonly string[] {
  if (plain.test(character)) return [];
  const code = bytesOf(character)
    .map((byte) => percent + inAnyCase(hex(byte, 2)))
    .join("");
  return character === " " ? [code, String.raw`\+`] : [code];
}

const backslash = String.raw`\\`;

/** As in a JSON string, in Python's repr of a str or of bytes, in libpq's DSN, in a shell's word; what they leave alone stays. */
function escaped(character: string, percent: string): string {
  if (character === "\\") return backslash + backslash;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f) {
    const itself = literal(character, percent);
    return plain.test(character) ? itself : `(?:${backslash})?${itself}`;
  }
  return either(quoteForRegExp(character), ...codes(character, code));
}

function codes(character: string, code: number): readonly string[] {
  const short = { 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r" }[code];
  const units = character.split("").map((unit) => unit.charCodeAt(0));
  const bytes = bytesOf(character);
  const write = (prefix: string, value: number, width: number) =>
    backslash + prefix + inAnyCase(hex(value, width));
  return [
    ...(short === undefined ? [] : [backslash + short]),
    units.map((unit) => write("u", unit, 4)).join(""),
    write("U", code, 8),
    `${backslash}u\\{0*${inAnyCase(hex(code, 1))}\\}`,
    ...(code < 0x100 ? [write("x", code, 2)] : []),
    bytes.map((byte) => write("x", byte, 2)).join(""),
    bytes.map((byte) => backslash + byte.toString(8).padStart(3, "0")).join(""),
  ];
}

/** The repr of an error in a JSON log. */
function escapedTwice(character: string): string {
  if (character === "\\") return backslash.repeat(4);
  const code = character.codePointAt(0) ?? 0;
  if (plain.test(character)) return quoteForRegExp(character);
  if (code >= 0x20 && code < 0x7f) return `(?:${backslash}){0,3}${quoteForRegExp(character)}`;
  return either(
    quoteForRegExp(character),
    ...codes(character, code),
    ...codes(character, code).map((each) => backslash + each),
  );
}

function inHtml(character: string): string {
  if (plain.test(character)) return quoteForRegExp(character);
  const code = character.codePointAt(0) ?? 0;
  const name = { "&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos" }[character];
  // An ampersand itself is the last: it begins the other spellings, of which nothing shall be left.
  return either(
    ...(name === undefined ? [] : [`&${name};`]),
    `&#0*${code};`,
    `&#[xX]0*${inAnyCase(hex(code, 1))};`,
    quoteForRegExp(character),
  );
}

/** A single quote inside of single quotes: in a shell, in SQL. */
function inQuotes(character: string): string {
  return character === "'" ? either(String.raw`'\\''`, `'"'"'`, "''") : quoteForRegExp(character);
}

function bytesOf(character: string): readonly number[] {
  return [...new TextEncoder().encode(character)];
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
