import { cp, stat } from "node:fs/promises";
import { dirname, join, parse } from "node:path";

/**
 * PostgreSQL refuses to run as root, and a checkout in root's home is closed to everybody else: then
 * the package's programs move to a directory that is open.
 * @param programs directory of `initdb` and `postgres`, with `lib` and `share` beside it
 * @param directory of the other user
 * @returns a directory of the same programs that the other user can reach
 */
export async function makeReachable(programs: string, directory: string): Promise<string> {
  if (await isOpenToAll(programs)) return programs;
  const copy = join(directory, "postgres");
  await cp(dirname(programs), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, "bin");
}

async function isOpenToAll(directory: string): Promise<boolean> {
  const root = parse(directory).root;
  for (let at = directory; at !== root; at = dirname(at))
    if (((await stat(at)).mode & 0o001) === 0) return false;
  return true;
}
