import type { Sources } from "../../src/settings/sources.ts";

/** A world whose every file reads the same, and is as private as libpq wants it. */
export function sourcesOf(
  env: Readonly<Record<string, string>>,
  readFile: Sources["readFile"],
  osUser: string | null = "somebody",
): Sources {
  const statFile = () => ({ isFile: true, mode: 0o600, owner: 1000 });
  return { env, readFile, statFile, osUser, osHome: null };
}
