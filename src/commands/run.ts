import type { Command } from "../engine/context.ts";
import { rehearse, run as runForReal } from "../engine/run.ts";
import { judgingFlags } from "../settings/command-line.ts";

export const run: Command = {
  name: "run",
  usage: "preflight [run] [flags] [-- command arg…]",
  about: "look, decide, act, prove; then start the command if there is one",
  flags: [...judgingFlags, "check-only"],
  connects: "database",
  prints: "verdict",
  starts: true,
  words: null,
  becomes: { flag: "check-only", name: "check" },
  start: async (settings, context) =>
    await (settings.enforce ? runForReal : rehearse)(settings, context),
};
