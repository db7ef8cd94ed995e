import type { Command } from "../engine/context.ts";
import { showStatus } from "../engine/run.ts";
import { check } from "./check.ts";

export const status: Command = {
  ...check,
  name: "status",
  usage: "preflight status [flags]",
  about:
    "check, after a table: each revision, its title, and whether it is recorded, proven, pending",
  start: showStatus,
};
