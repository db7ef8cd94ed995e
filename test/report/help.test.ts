import { describe, expect, test } from "vitest";
import { commands } from "../../src/cli.ts";
import { outcomes } from "../../src/core/outcome.ts";
import { exitCodesMarkdown, help, settingsMarkdown } from "../../src/report/help.ts";
import { addressTable, settingsTable } from "../../src/settings/settings-table.ts";

const tables = { commands, settings: settingsTable, addresses: addressTable };
const names = commands.map(({ name }) => name);

describe.each([null, ...names])("help of %s", (command) => {
  const text = help(command, tables);
  const flags = Object.entries(settingsTable);

  test("names the flags that it accepts, with variable and default, and no others", () => {
    for (const [flag, row] of flags) {
      const own = commands.find(({ name }) => name === command);
      const accepted = own === undefined || own.flags.some((each) => each === flag);
      expect(new RegExp(`^  --${flag}( |$)`, "m").test(text)).toBe(accepted);
      if (accepted) expect(text).toContain(`[${row.variable}]`);
    }
    const waits =
      command === null ||
      ["run", "check", "status", "history", "stamp", "undo", "repair"].includes(command);
    expect(text.includes("(default 60s)")).toBe(waits);
  });

  test("has every exit code", () => {
    for (const [outcome, { exit }] of Object.entries(outcomes)) {
      const shown = outcome === "signal" ? String.raw`128\+n` : String(exit);
      expect(text).toMatch(new RegExp(`^  ${shown} +${outcome} `, "m"));
    }
  });

  test("is at most 100 columns wide, without trailing space, and ends with a line end", () => {
    for (const line of text.split("\n")) {
      expect(line.length).toBeLessThanOrEqual(100);
      expect(line).toBe(line.trimEnd());
    }
    expect(text).toMatch(/[^\n]\n$/);
  });
});

test("the program's help names every command and where the address comes from", () => {
  const text = help(null, tables);
  for (const name of names) expect(text).toMatch(new RegExp(`^  preflight \\[?${name}`, "m"));
  for (const name of ["PREFLIGHT_DATABASE_URL", "POSTGRES_PASSWORD", "PGHOST", "NAME_FILE"]) {
    expect(text).toContain(name);
  }
});

test("the tables of the documentation have one row for each setting and each outcome", () => {
  const rows = (markdown: string) => markdown.split("\n").filter((line) => line.startsWith("| "));
  expect(rows(exitCodesMarkdown())).toHaveLength(2 + Object.keys(outcomes).length);
  expect(rows(settingsMarkdown(tables))).toHaveLength(
    4 + Object.keys(settingsTable).length + addressTable.length,
  );
  expect(exitCodesMarkdown()).toContain(
    "| 69 | `unavailable` | the database was not available before the deadline | yes |",
  );
});
