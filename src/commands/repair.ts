import type { Command } from "../engine/context.ts";
import { printRepair, writeByHand } from "../engine/run.ts";
import { decidingFlags, writingFlags } from "../settings/command-line.ts";

export const repair: Command = {
  name: "repair",
  usage: "preflight repair [--to REVISION] [--apply] [flags]",
  about: "the SQL that makes what is missing of the schema, and drops nothing; --apply runs it",
  flags: [...decidingFlags, ...writingFlags, "ddl-lock-timeout", "to", "apply", "accept-empty"],
  connects: "database",
  prints: "document",
  starts: false,
  words: null,
  becomes: null,
  start: async (settings, context) => {
    const { to, apply, acceptEmpty } = settings;
    const request = { kind: "repair", to, acceptEmpty: acceptEmpty ?? [] } as const;
    return await (apply ? writeByHand : printRepair)(request, settings, context);
  },
};
