/**
 * Whether SQL text, or what is left of it in a Python string, may end the transaction that it is sent in, or work
 * outside of it. Words in quotes and comments do not count; what stands in dollars may be a block that PostgreSQL runs.
 * Rather too often than not at all.
 */
export function mayLeaveTransaction(text: string): boolean {
  // The body of such a block may be an ordinary string.
  const quotes = /(?:^|;)\s*do\b/i.test(text) ? "keep" : "drop";
  const bodies: string[] = [];
  const plain = text.replace(pieces, (piece, dollars?: string, body?: string) => {
    if (dollars !== undefined) bodies.push(body ?? "");
    return /^e?'/i.test(piece) && quotes === "keep" ? piece : " q ";
  });
  return (
    words.test(plain) ||
    begins.test(plain) ||
    bodies.some((body) => words.test(withoutQuotes(body)))
  );
}

/** As `mayLeaveTransaction`, of a piece of which nobody knows in what quotes it will stand. */
export function namesTransaction(text: string): boolean {
  return words.test(text) || begins.test(text);
}

const pieces =
  /--[^\n]*|\/\*[^]*?\*\/|\be'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)([^]*?)\1/gi;

/** `ON COMMIT DROP` and `ROLLBACK TO SAVEPOINT` end nothing, and `t.commit` is a column. */
const words =
  /(?<![\w$.]|\bon\s+)commit(?![\w$])|(?<![\w$.])rollback(?![\w$])(?!\s+(?:(?:work|transaction)\s+)?to\b)|\bprepare\s+transaction\b|\bcall\s[^(;]+\(|\bplpy\.(?:commit|rollback)\b|\bdblink|\bautocommit\b/i;

/** Inside of a body these are the ends of its blocks. */
const begins =
  /(?:^|;)\s*(?:(?:begin|abort|end)(?:\s+(?:work|transaction))?\s*(?:;|$)|begin\s+(?:isolation|read|not\s+deferrable|deferrable)\b|start\s+transaction\b)/i;

function withoutQuotes(body: string): string {
  return body.replace(pieces, " q ");
}
