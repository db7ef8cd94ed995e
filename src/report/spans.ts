/** A part of a text, from its first character to behind its last. */
export type Span = readonly [start: number, end: number];

/**
 * Overlapping matches of one pattern count too: a secret may repeat its own beginning. The patterns have no `u` flag,
 * with which a search from inside a surrogate pair would step back to its start for ever.
 */
export function findSpans(pattern: RegExp, text: string): readonly Span[] {
  const spans: Span[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    spans.push([match.index, match.index + match[0].length]);
    pattern.lastIndex = match.index + 1;
  }
  return spans;
}

/** What is left of a longer secret beside a shorter one would still tell: spans that touch go as one. */
export function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = [];
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last === undefined || start > last[1]) merged.push([start, end]);
    else merged[merged.length - 1] = [last[0], Math.max(last[1], end)];
  }
  return merged;
}
