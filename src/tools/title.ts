/** Characters of a title in a line of the log. */
const longest = 60;

/** What an author calls a migration, as one short line of plain characters. */
export function toTitle(text: string): string {
  const line = text
    .replaceAll(/[\p{C}\s]+/gu, " ")
    .trim()
    .replace(/(?<!\.)\.$/, "");
  if (line.length <= longest) return line;
  return `${line.slice(0, longest).replace(/[\uD800-\uDBFF]$|\s+\S*$/, "")} …`;
}

/** `add_order-status` → `add order status` */
export function titleOfName(name: string): string {
  return toTitle(name.replaceAll(/[-_]+/g, " "));
}
