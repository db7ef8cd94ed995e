import path from "node:path";
import { expect, test } from "vitest";
import { commands } from "../../src/cli.ts";
import { type Command, ready } from "../../src/engine/context.ts";
import { readProject } from "../../src/engine/project.ts";
import { help } from "../../src/report/help.ts";
import { historyFlags } from "../../src/settings/command-line.ts";
import { addressTable, settingsTable } from "../../src/settings/settings-table.ts";
import { preflight } from "../support/in-process.ts";

/** A command that no file of `src/` knows: this is all that one takes. */
const count: Command = {
  name: "count",
  usage: "preflight count [flags]",
  about: "say how many revisions there are",
  flags: [...historyFlags, "json"],
  connects: null,
  prints: "verdict",
  starts: false,
  words: null,
  becomes: null,
  start: async (settings, context) => {
    const reading = await readProject(settings, context);
    if (reading.kind === "project" && settings.json)
      context.print({ revisions: reading.project.knowledge.history.revisions.size });
    return ready;
  },
};

const known = [...commands, count];
const cwd = path.join(import.meta.dirname, "../../examples/shop");

test("it runs with its flags, and ends in a verdict line", async () => {
  const said = await preflight(["count", "--json"], { cwd, env: {}, commands: known });
  expect(said.line).toMatchObject({ outcome: "ready", exit: 0, tool: "alembic", verdict: null });
  expect(JSON.parse(said.stdout.split("\n")[0]!)).toEqual({ revisions: expect.any(Number) });
});

test("it is refused what it does not take", async () => {
  const said = await preflight(["count", "--drift=warn", "--", "true"], {
    cwd,
    env: {},
    commands: known,
  });
  expect(said.line.outcome).toBe("usage");
  expect(said.line.reason).toBe(
    "preflight count does not take --drift; it belongs to run, check, status, stamp, undo, repair; preflight count starts no command: leave out -- and what follows",
  );
});

test("the help knows it", () => {
  const tables = { commands: known, settings: settingsTable, addresses: addressTable };
  expect(help(null, tables)).toMatch(/preflight count \[flags\] +say how many revisions there are/);
  expect(help("count", tables)).toContain("--json");
  expect(help("count", tables)).not.toContain("--drift");
  expect(help(null, tables)).toContain("(audit, history, count)");
});
