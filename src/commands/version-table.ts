import type { Observation } from "../core/observation.ts";
import type { Image } from "./image.ts";

/** Where the version table is, or would be made. */
export function versionTableOf(
  { versionTable, server }: Observation,
  image: Image,
): { readonly schema: string; readonly name: string } {
  const { schema, name } = image.versionTable;
  return versionTable ?? { schema: schema ?? server.searchPath[0] ?? "public", name };
}
