/** Every object in a tree. Without recursion: an expression can be nested deeper than the stack allows. */
export function* objectsIn(tree: unknown): Generator<object> {
  const open = [tree];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next !== "object" || next === null) continue;
    if (!Array.isArray(next)) yield next;
    for (const part of Object.values(next)) open.push(part);
  }
}
