import { spawn } from "node:child_process";
import { posix, relative } from "node:path";

/** A file that git remembers and the checkout no longer has, as it was before its deletion. */
export type DeletedFile = {
  /** Path relative to the root, with forward slashes. */
  readonly file: string;
  readonly bytes: Buffer;
};

/**
 * The files below these directories that were deleted, newest deletion first; a file deleted twice comes twice.
 * Directories are absolute. [] where there is no git, no checkout, or no history of them.
 */
export async function readDeletedFiles(
  root: string,
  directories: readonly string[],
  isWanted: (name: string) => boolean,
): Promise<readonly DeletedFile[]> {
  const prefix = await git(root, ["rev-parse", "--show-prefix"]);
  if (prefix === null) return [];
  // A signature would be checked by another program.
  const log = await git(root, [
    "-c",
    "log.showSignature=false",
    "log",
    "--diff-filter=D",
    "--no-renames",
    "--full-history",
    "--name-only",
    "--format=%x01%H",
    "-z",
    "--",
    ...directories.map((path) => relative(root, path) || "."),
  ]);
  const deletions = log === null ? [] : parseLog(log.toString("utf8"));
  const wanted = deletions.filter(({ path }) => isWanted(posix.basename(path)));
  const contents = await readBlobs(root, wanted);
  const top = prefix.toString("utf8").trimEnd();
  return wanted.flatMap(({ path }, index) => {
    const bytes = contents[index] ?? null;
    return bytes === null ? [] : [{ file: posix.relative(top, path), bytes }];
  });
}

/** `path`: from the top of the checkout. */
type Deletion = { readonly commit: string; readonly path: string };

/** `\x01commit\0`, then its files, each ended by `\0`; git puts a line end before the first. Newest commit first. */
function parseLog(log: string): readonly Deletion[] {
  return log.split("\x01").flatMap((entry) => {
    const [commit = "", ...paths] = entry.split("\0").map((part) => part.replace(/^\n/, ""));
    return paths.filter((path) => path !== "").map((path) => ({ commit: commit.trim(), path }));
  });
}

/** Each file as it was before its deletion; null where git does not have it, as in a shallow clone. */
async function readBlobs(
  directory: string,
  deletions: readonly Deletion[],
): Promise<readonly (Buffer | null)[]> {
  if (deletions.length === 0) return [];
  const names = deletions.map(({ commit, path }) => `${commit}^:${path}\n`);
  const output = await git(directory, ["cat-file", "--batch"], names.join(""));
  return output === null ? [] : parseBatch(output, deletions.length);
}

function parseBatch(output: Buffer, count: number): readonly (Buffer | null)[] {
  const contents: (Buffer | null)[] = [];
  let at = 0;
  while (contents.length < count && at < output.length) {
    const end = output.indexOf(10, at);
    const size = /^[0-9a-f]+ blob (\d+)$/.exec(output.toString("utf8", at, end))?.[1];
    at = end + 1;
    if (size === undefined) contents.push(null);
    else {
      contents.push(output.subarray(at, at + Number(size)));
      at += Number(size) + 1;
    }
  }
  return contents;
}

/** What git printed; null where it could not answer. */
async function git(directory: string, args: readonly string[], input = ""): Promise<Buffer | null> {
  return await new Promise((resolve) => {
    const child = spawn("git", ["-C", directory, ...args], { stdio: ["pipe", "pipe", "ignore"] });
    const chunks: Buffer[] = [];
    child.on("error", () => resolve(null));
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("close", (code) => resolve(code === 0 ? Buffer.concat(chunks) : null));
    // A child that could not be started closes its end early; its 'error' event already answers.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
