import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { replayHistory } from "../../src/ledger/replay.ts";
import { startServer } from "../support/postgres.ts";
import { type NumberedFile, planOf } from "./numbered-files.ts";
import { connectionTo, openTestScratch } from "./open-scratch.ts";

/** As address_standardizer_data_us: tables with rows, which the script fills, indexes and reads. */
const script = `
CREATE TABLE rule (id int PRIMARY KEY, said text);
INSERT INTO rule VALUES (1, 'one'), (2, 'two');
CREATE INDEX rule_said ON rule (said);
DELETE FROM rule WHERE said = 'none';
ALTER TABLE rule ALTER said SET DEFAULT 'nothing';
CREATE TABLE other (id int);
SELECT pg_extension_config_dump('rule', '');`;

test("what an extension's script reads while it is created is no revision's data", async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-extension-"));
  chmodSync(directory, 0o755);
  mkdirSync(path.join(directory, "extension"));
  const write = (name: string, text: string): void =>
    writeFileSync(path.join(directory, "extension", name), text);
  write("rules.control", "default_version = '1'\nrelocatable = false\n");
  write("rules--1.sql", script);
  write(
    "rules--1--2.sql",
    "DO 'BEGIN PERFORM FROM item; END'; CREATE TYPE kind AS ENUM (); ALTER TABLE rule ADD more int;",
  );
  write("more_rules.control", "default_version = '1'\nrequires = 'rules'\n");
  write("more_rules--1.sql", "INSERT INTO rule VALUES (4, 'four')");
  const server = await startServer({
    major: "18",
    settings: [`extension_control_path = '${directory}:$system'`],
  });
  onTestFinished(server.stop);
  const files: readonly NumberedFile[] = [
    {
      id: "001",
      sql: "CREATE EXTENSION rules; CREATE TABLE item (id int PRIMARY KEY); ALTER TABLE item ADD CHECK (id > 0)",
    },
    { id: "002", sql: "CREATE EXTENSION IF NOT EXISTS rules; SELECT count(*) FROM item" },
    { id: "003", sql: "ALTER EXTENSION rules UPDATE TO '2'" },
    { id: "004", sql: "SELECT count(*) FROM rule" },
    { id: "005", sql: "INSERT INTO rule VALUES (3, 'three')" },
    { id: "006", sql: "UPDATE rule SET said = 'none' WHERE id = 99; INSERT INTO other VALUES (1)" },
    { id: "007", sql: "CREATE EXTENSION more_rules" },
    { id: "008", sql: "DROP EXTENSION more_rules, rules" },
  ];
  const scratch = await openTestScratch({ on: connectionTo(server) });
  const { revisions } = await replayHistory(planOf(files, scratch));
  expect([...revisions].map(([id, { reads, writes }]) => ({ id, reads, writes }))).toEqual([
    { id: "001", reads: [], writes: [] },
    { id: "002", reads: ["public.item"], writes: [] },
    // An update may go through the user's rows.
    { id: "003", reads: ["public.item"], writes: [] },
    { id: "004", reads: ["public.rule"], writes: [] },
    // A migration's rows in an extension's table are its data.
    { id: "005", reads: [], writes: ["INSERT public.rule"] },
    { id: "006", reads: ["public.rule"], writes: ["INSERT public.other", "UPDATE public.rule"] },
    { id: "007", reads: [], writes: [] },
    { id: "008", reads: [], writes: [] },
  ]);
}, 60_000);
