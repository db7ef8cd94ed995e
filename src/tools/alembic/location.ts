import type { Commands } from "../tool.ts";

/** Where one Alembic history is, and how its image runs Alembic. All paths are absolute. */
export type AlembicLocation = {
  /** What led here, as a person would name it. */
  readonly place: string;
  readonly configFile: string | null;
  readonly scriptDirectory: string;
  readonly versionDirectories: readonly string[];
  /** Directories below the version directories count too. */
  readonly recursive: boolean;
  /** Alembic also loads compiled files, which cannot be read here. */
  readonly sourceless: boolean;
  readonly root: string;
  readonly ledgerDirectory: string;
  readonly commands: Commands;
  /** The same with another ini file, by its absolute path; null: the program that knows this history takes none. */
  readonly withIni: ((path: string) => Commands) | null;
};
