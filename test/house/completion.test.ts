import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "../..");

/** What Bash offers for the last word. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `
    source completions/preflight.bash
    COMP_WORDS=(preflight "$@")
    COMP_CWORD=$#
    _preflight
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const printed = execFileSync("bash", ["-c", script, "bash", ...words], {
    cwd: root,
    encoding: "utf8",
  });
  return printed.split("\n").filter((line) => line !== "");
}

test.each([
  [["au"], ["audit"]],
  [["--vers"], ["--version-table", "--version"]],
  [["run", "--stam"], ["--stamp"]],
  [
    ["check", "--stamp", ""],
    ["proven", "never"],
  ],
  [["--drift", "w"], ["warn"]],
  [["run", "--enforce", "of"], ["off"]],
  [["bake", "--che"], ["--check"]],
  [["check", "--che"], []],
  [["run", "--ledger", "READ"], []],
  [["run", "--timeout", ""], []],
  [["run", "--", "--dri"], []],
] as const)("preflight %s is completed", (words, wanted) => {
  expect(offered(...words).toSorted()).toEqual([...wanted].toSorted());
});
