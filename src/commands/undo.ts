import type { Command } from "../engine/context.ts";
import { writeByHand } from "../engine/run.ts";
import { decidingFlags, writingFlags } from "../settings/command-line.ts";

export const undo: Command = {
  name: "undo",
  usage: "preflight undo [ENTRY] [flags]",
  about: "take a stamp back: the version rows as they were, from the journal",
  flags: [...decidingFlags, ...writingFlags, "force"],
  connects: "database",
  prints: "verdict",
  starts: false,
  words: { most: 1, read: readEntry },
  becomes: null,
  start: async (settings, context) => {
    const [word] = settings.words;
    const entry = word === undefined ? null : Number(word);
    return await writeByHand({ kind: "undo", entry, force: settings.force }, settings, context);
  },
};

function readEntry(words: readonly string[], faults: string[]): readonly string[] {
  const [word] = words;
  if (word !== undefined && !/^[1-9]\d{0,14}$/.test(word))
    faults.push("preflight undo takes the number of an entry, as preflight history shows it");
  return words;
}
