/** What stands where a role may not see another's statement. */
const hidden = "<insufficient privilege>";

const most = 6;

/**
 * Enough of a statement to know it by, and none of its values: a password can stand in the first quotes. null: nothing to be
 * shown.
 */
export function firstWords(statement: string | null): string | null {
  if (statement === null || statement === hidden) return null;
  const bare = statement.replaceAll(/--.*|\/\*[^]*?\*\//g, " ").split(/['"$]|\d{4,}/, 1)[0] ?? "";
  const words = bare.trim().split(/\s+/);
  const shown = words.slice(0, most).join(" ");
  if (shown === "") return null;
  return bare.length < statement.trim().length || words.length > most ? `${shown} …` : shown;
}
