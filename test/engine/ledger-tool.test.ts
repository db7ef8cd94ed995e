import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { preflight } from "../support/in-process.ts";

const cwd = mkdtempSync(path.join(tmpdir(), "preflight-ledger-tool-"));
afterAll(() => rmSync(cwd, { recursive: true }));
cpSync(path.join(import.meta.dirname, "../../examples/tickets"), cwd, { recursive: true });

function ledgerOf(tool: string): string {
  const home = { home: "relative", versionTable: null, kinds: ["table"] };
  const nothing = { revisions: [], states: [], spellings: [] };
  return JSON.stringify({ preflight: "ledger", v: 2, tool, server: 18, ...home, ...nothing });
}

test("a ledger of a tool that this version does not know is refused by name", async () => {
  const file = path.join(cwd, "other.json");
  writeFileSync(file, ledgerOf("ladders"));
  const said = await preflight(["audit", "--ledger", file], { cwd, env: {} });
  expect(said.line).toMatchObject({ outcome: "config", exit: 78 });
  expect(said.line.reason).toContain("a migration tool that this version does not know: ladders");
});

test("one of another known tool is one of these files all the same", async () => {
  const file = path.join(cwd, "other.json");
  writeFileSync(file, ledgerOf("supabase"));
  const said = await preflight(["audit", "--ledger", file], { cwd, env: {} });
  expect(said.line).toMatchObject({ outcome: "ready", tool: "sql" });
});
