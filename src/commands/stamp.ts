import type { Command } from "../engine/context.ts";
import { writeByHand } from "../engine/run.ts";
import { decidingFlags, writingFlags } from "../settings/command-line.ts";

export const stamp: Command = {
  name: "stamp",
  usage: "preflight stamp REVISION… [flags]",
  about: "record what a person says was applied, after a look at what speaks against it",
  flags: [...decidingFlags, ...writingFlags, "force"],
  connects: "database",
  prints: "verdict",
  starts: false,
  words: { most: 100, read: readRevisions },
  becomes: null,
  start: async (settings, context) => {
    const { words: revisions, force } = settings;
    return await writeByHand({ kind: "stamp", revisions, force }, settings, context);
  },
};

function readRevisions(words: readonly string[], faults: string[]): readonly string[] {
  if (words.length === 0)
    faults.push("preflight stamp needs a revision, several where there are several heads, or base");
  if (words.length > 1 && words.includes("base"))
    faults.push("preflight stamp base stands for no revision at all, and takes no other beside it");
  return words;
}
