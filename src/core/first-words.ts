/** What stands where a role may not see another's statement. */
const hidden = "<insufficient privilege>";

const most = 6;

/** Quotes of any kind, an assignment, a long number: what follows may be a password, or somebody's data. */
const beginningOfValues = /['"$=]|\bTO\b|\d{4,}/i;

/** Enough of a statement to know it by, and none of its values. null: nothing to be shown. */
export function firstWords(statement: string | null): string | null {
  if (statement === null || statement === hidden) return null;
  const text = statement.replaceAll(/--.*|\/\*[^]*?\*\//g, " ").trim();
  const at = text.search(beginningOfValues);
  const words = (at < 0 ? text : text.slice(0, at)).trim().split(/\s+/);
  const shown = words.slice(0, most).join(" ");
  if (shown === "") return null;
  return at >= 0 || words.length > most ? `${shown} …` : shown;
}
