import type { Command } from "../engine/context.ts";
import { check as runCheck } from "../engine/run.ts";
import { judgingFlags } from "../settings/command-line.ts";

export const check: Command = {
  name: "check",
  usage: "preflight check [flags]",
  about: "the same look and plan, and no write",
  flags: [...judgingFlags, "exit-code"],
  connects: "database",
  prints: "verdict",
  starts: false,
  words: null,
  becomes: null,
  start: runCheck,
};
