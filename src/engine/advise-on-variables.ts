import path from "node:path";
import { suggestMapping } from "../core/program-env.ts";
import { dotenvIsThere } from "../core/ways-out.ts";
import { enumerate } from "../core/words.ts";
import type { ProjectScope } from "./scope.ts";

/**
 * What a person can do where a program does not get to its database: the mapping of its own variables, ready to be typed, and the
 * `.env` that nobody has read.
 * @param missing variables that the program says it lacks; a settings class names them as its fields are written
 */
export async function adviseOnVariables(
  missing: readonly string[],
  scope: ProjectScope,
): Promise<readonly string[]> {
  const { project, settings } = scope;
  const { upgrade } = project.found;
  if (upgrade.kind === "native") return [];
  const { names: read, scheme } = await upgrade.readVariables();
  const mapped = new Set((settings.programEnv ?? []).map(({ name }) => name));
  // Of a settings class with a prefix the field alone is named.
  const unseen = missing
    .map((name) => name.toUpperCase())
    .filter((name) => !read.some((each) => each === name || each.endsWith(`_${name}`)));
  const all = [...new Set([...read, ...unseen])];
  const left = all.filter((name) => !mapped.has(name));
  const mapping = suggestMapping(left, scheme);
  const seen = read.length === 0 ? "" : `it was seen to read ${enumerate(read, 20)}; `;
  return [
    ...(mapping === null
      ? []
      : [`give the program the address in its own variables: ${seen}${mapping}`]),
    ...(mapping === null && read.length > 0
      ? [`the program was seen to read ${enumerate(read, 20)}: is the address in one of them?`]
      : []),
    ...mentionDotenv(scope),
  ];
}

/** Programs read it by themselves, if at all. */
function mentionDotenv({ settings, context }: ProjectScope): readonly string[] {
  const file = path.join(context.cwd, ".env");
  if (settings.envFile !== null || context.statFile(file)?.isFile !== true) return [];
  return [dotenvIsThere];
}
