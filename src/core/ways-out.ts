import type { MigrationTool } from "./migration-tool.ts";
import type { Finding, Verdict } from "./verdict.ts";

/** A person's word names one revision; several heads are recorded with the tool itself. */
export function sayAtHeads(heads: readonly string[], tool: MigrationTool): string {
  return heads.length > 1
    ? `${sayStamp(heads, tool)}, then start again`
    : `--assume ${heads[0] ?? "base"}`;
}

/** How a person records a version by hand. */
export function sayStamp(heads: readonly string[], tool: MigrationTool): string {
  return tool.words.stamp?.(heads) ?? `preflight run --assume ${heads.join(" ") || "base"}`;
}

/** What to type; between several only the person can choose. */
export function sayAssume(ids: readonly string[]): string {
  const shown = ids.slice(0, 5).map((id) => `--assume ${id}`);
  const more = ids.length > shown.length ? ` (or one of ${ids.length - shown.length} more)` : "";
  return `${shown.join(" or ")}${more}`;
}

/** Where a tool has ways besides its files, such as a dashboard, they may record a migration under a version of their own. */
export function underOtherVersions(
  { unknownRows, unrecorded, lacking }: Extract<Verdict, { readonly kind: "ahead" }>,
  tool: MigrationTool,
): readonly string[] {
  const absent = new Set(lacking.map(({ revision }) => revision));
  const present = unrecorded.filter((id) => !absent.has(id));
  const { renumber } = tool.words;
  if (renumber === null || present.length === 0) return [];
  return [
    `if these are the same migrations under other versions: ${renumber(unknownRows, present)}`,
  ];
}

/** A word for the nearest state, or for one that lacks nothing. What differs all the same stays: as drift. */
export function inEffect(
  finding: Extract<Finding, { readonly kind: "nearest" }>,
  tool: MigrationTool,
  assumable: readonly string[],
): readonly string[] {
  const { heads, differences } = finding;
  const [nearest] = heads;
  if (assumable[0] === "base")
    return [
      "or, if what is there may stay as it is: --assume base; the migrations then run from the first one, and make what is missing",
    ];
  const isAssumable = nearest !== undefined && assumable.includes(nearest);
  if (heads.length !== 1 || isAssumable) {
    const drift = differences.every(({ tolerable }) => tolerable) ? "" : " --drift warn";
    return [`or, if that is what it is in effect: ${sayAtHeads(heads, tool)}${drift}`];
  }
  return assumable.length === 0
    ? []
    : [`or, if it is at another revision in effect: ${sayAssume(assumable)} --drift warn`];
}
