/** By number. What is no number comes last. */
export function byNumber(one: string, other: string): number {
  const [a, b] = [numberOf(one), numberOf(other)];
  if (a !== null && b !== null && a !== b) return a < b ? -1 : 1;
  if ((a === null) !== (b === null)) return a === null ? 1 : -1;
  return byText(one, other);
}

export function byText(one: string, other: string): number {
  return one < other ? -1 : one === other ? 0 : 1;
}

function numberOf(version: string): bigint | null {
  return /^\d+$/.test(version) ? BigInt(version) : null;
}
