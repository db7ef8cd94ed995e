/** Why Python refuses a file. */
export type Fault = { readonly line: number; readonly why: string };

export type Decoded =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "fault"; readonly fault: Fault };

/**
 * A Python file's bytes as text with `\n` line ends and without byte order mark, decoded as Python would (PEP 263):
 * UTF-8 unless a comment in the first two lines names another encoding.
 */
export function decodeSource(bytes: Uint8Array): Decoded {
  const nul = bytes.indexOf(0);
  if (nul !== -1) return fault(lineAt(bytes, nul), "the file holds a NUL byte");
  const encoding = declaredEncoding(bytes);
  const label = encoding === null ? "utf-8" : labelOf(encoding);
  if (hasByteOrderMark(bytes) && label !== "utf-8")
    return fault(1, `the file starts with UTF-8's mark and declares '${encoding ?? ""}'`);
  if (label === null) return fault(1, `the encoding '${encoding ?? ""}' is not known`);
  try {
    const text = new TextDecoder(label, { fatal: true }).decode(bytes);
    if (encoding !== null && isAscii(encoding) && /[^\0-\x7f]/.test(text))
      return fault(1, "the file declares ASCII and holds other characters");
    return { kind: "text", text: text.replace(/\r\n?/g, "\n") };
  } catch {
    return fault(1, `the file is not valid ${encoding ?? "UTF-8"}`);
  }
}

function fault(line: number, why: string): Decoded {
  return { kind: "fault", fault: { line, why } };
}

function lineAt(bytes: Uint8Array, end: number): number {
  return bytes.subarray(0, end).reduce((lines, byte) => lines + (byte === 10 ? 1 : 0), 1);
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** The second line counts only when the first is blank or a comment. */
function declaredEncoding(bytes: Uint8Array): string | null {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 400)).replace(/^ï»¿/, "");
  const [first = "", second = ""] = start.split(/\r\n?|\n/);
  const cookie = /^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)/;
  const blank = /^[ \t\f]*(?:#|$)/.test(first);
  return cookie.exec(first)?.[1] ?? (blank ? cookie.exec(second)?.[1] : undefined) ?? null;
}

function isAscii(encoding: string): boolean {
  return /^(?:us-)?ascii$/.test(spell(encoding));
}

function spell(encoding: string): string {
  return encoding.toLowerCase().replaceAll("_", "-");
}

/** Python's name as a label of the WHATWG standard; null where there is none. */
function labelOf(encoding: string): string | null {
  const name = spell(encoding);
  if (/^utf-?8(?:$|-)/.test(name)) return "utf-8";
  if (isAscii(name) || /^(?:latin-?1|iso-?8859-1|iso-latin-1)(?:$|-)/.test(name)) return "latin1";
  try {
    return new TextDecoder(name).encoding;
  } catch {
    return null;
  }
}
