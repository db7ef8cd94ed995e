/** What a step of the tool with branches says that it stands on, in its first line: `-- after 2a 2b`. */
export function parentsIn(text: string): readonly string[] {
  const [, named = ""] = /^-- after (.+)$/m.exec(text) ?? [];
  return named.split(" ").filter((word) => word !== "");
}
