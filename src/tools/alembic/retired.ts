import type { DeletedRevision } from "../tool.ts";
import { readDeletedFiles } from "../deleted-files.ts";
import type { AlembicReading } from "./read.ts";
import { readRevisionFile } from "./revision-file.ts";

/**
 * The revisions whose files git remembers and the checkout no longer has, newest spelling of each, sorted by id. Files that
 * cannot be read are left out. [] where there is no git, no checkout, or no history of these directories.
 */
export async function readDeleted(reading: AlembicReading): Promise<readonly DeletedRevision[]> {
  const { location, revisions } = reading;
  const present = new Set(revisions.map(({ id }) => id));
  const found = new Map<string, DeletedRevision>();
  const deleted = await readDeletedFiles(location.root, location.versionDirectories, (name) =>
    /^(?!\.#|__init__).*\.py$/.test(name),
  );
  for (const { file, bytes } of deleted) {
    const read = await readRevisionFile(file, bytes);
    if (read.kind !== "revision") continue;
    const { id, parents, dependsOn } = read.revision;
    if (!present.has(id) && !found.has(id)) found.set(id, { id, parents, dependsOn, file });
  }
  return [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
