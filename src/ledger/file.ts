import { readFile, rename, rm, writeFile } from "node:fs/promises";
import type { History } from "../core/history.ts";
import type { Ledger } from "../core/ledger.ts";
import { decodeLedger, encodeLedger } from "../core/ledger-text.ts";
import { CannotJudge } from "../core/outcome.ts";

const remedy = [
  "restore the file from version control, or delete it and run `preflight bake`",
  "retired revisions that only this file remembers are lost when it is deleted",
];

/**
 * @param required a person named this file: its absence is a fault
 * @returns null where there is no ledger
 * @throws CannotJudge when the file is there and cannot be used
 */
export async function readLedger(
  path: string,
  history: History,
  { required }: { readonly required: boolean },
): Promise<Ledger | null> {
  const text = await readText(path, required);
  if (text === null) return null;
  const decoded = decodeLedger(text);
  switch (decoded.kind) {
    case "truncated":
      throw new CannotJudge(
        "config",
        `the ledger ${path} is damaged or truncated: ${decoded.why}`,
        remedy,
      );
    case "other-format":
      throw new CannotJudge(
        "config",
        `${path} is not a ledger that this program can read: ${decoded.why}`,
        ["bake it again with this version of preflight", "or name the right file: --ledger"],
      );
    case "ledger":
      refuseOtherHistory(path, decoded.ledger, history);
      return decoded.ledger;
  }
}

/** Whole or not at all: a reader never sees half a ledger. Errors are the file system's own. */
export async function saveLedger(
  path: string,
  ledger: Ledger,
): Promise<{ readonly bytes: number }> {
  const text = encodeLedger(ledger);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw cannotWrite(path, error);
  }
  return { bytes: Buffer.byteLength(text) };
}

async function readText(path: string, required: boolean): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" && !required) return null;
    throw new CannotJudge(
      "missing-input",
      code === "ENOENT"
        ? `there is no ledger ${path}`
        : `the ledger ${path} cannot be read (${code})`,
      ["run `preflight bake` and copy the file into the image", "or leave --ledger away"],
    );
  }
}

function refuseOtherHistory(path: string, ledger: Ledger, history: History): void {
  const isRelated = [...history.revisions.keys()].some((id) => ledger.revisions.has(id));
  if (isRelated || history.revisions.size === 0 || ledger.revisions.size === 0) return;
  throw new CannotJudge(
    "config",
    `the ledger ${path} is of another history: it shares no revision with these migration files`,
    ["name the ledger that was baked from these files: --ledger", "or bake it again"],
  );
}

function cannotWrite(path: string, error: unknown): CannotJudge {
  return new CannotJudge(
    "missing-input",
    `the ledger ${path} cannot be written (${codeOf(error)})`,
    ["check the directory and its permissions, or write elsewhere: --ledger FILE"],
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
