import { randomUUID } from "node:crypto";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { decodeLedger, encodeLedger, type LedgerText } from "../core/ledger-text.ts";
import type { Ledger } from "../core/ledger.ts";
import { CannotJudge, systemCode } from "../core/outcome.ts";
import { rightLedger } from "../core/ways-out.ts";

export type LedgerReading =
  | { readonly kind: "ledger"; readonly ledger: Ledger }
  | { readonly kind: "absent" }
  /** The file is there, or was named by a person, and cannot be used. */
  | { readonly kind: "unusable"; readonly fault: CannotJudge };

/** @param required a person named this file: its absence is a fault */
export async function readLedger(
  path: string,
  { required }: { readonly required: boolean },
): Promise<LedgerReading> {
  let bytes: Buffer;
  try {
    const found = await stat(path);
    // A pipe would never end, and a device neither.
    if (!found.isFile()) return cannotRead(path, "it is no file");
    if (found.size > mostBytes) return cannotRead(path, "too large");
    bytes = await readFile(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT" && !required) return { kind: "absent" };
    return cannotRead(path, systemCode(error));
  }
  const decoded = decode(bytes);
  switch (decoded.kind) {
    case "ledger":
      return decoded;
    case "truncated":
      return unusable(`the ledger ${path} is damaged or truncated: ${decoded.why}`, [
        "restore the file from version control, or delete it and run `preflight bake`",
        "retired revisions that only this file remembers are lost when it is deleted",
      ]);
    case "other-format":
      return unusable(`${path} is not a ledger that this program can read: ${decoded.why}`, [
        "bake it again with this version of preflight",
        "or name the right file: --ledger",
      ]);
  }
}

/** Of the largest histories that are known, a thousandth. */
const mostBytes = 500_000_000;

function decode(bytes: Buffer): LedgerText {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { kind: "truncated", why: "it is not UTF-8" };
  }
  return decodeLedger(text);
}

export function otherHistory(path: string): CannotJudge {
  return new CannotJudge(
    "config",
    `the ledger ${path} is of another history: it shares no revision with these migration files`,
    [rightLedger, "or, if these files replace (squash) all that it knows: preflight bake"],
  );
}

/** Whole or not at all: a reader never sees half a ledger. Errors are the file system's own. */
export async function saveLedger(
  path: string,
  ledger: Ledger,
): Promise<{ readonly bytes: number }> {
  const text = encodeLedger(ledger);
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new CannotJudge(
      "missing-input",
      `the ledger ${path} cannot be written (${systemCode(error)})`,
      ["check the directory and its permissions, or write elsewhere: --ledger FILE"],
    );
  }
  return { bytes: Buffer.byteLength(text) };
}

function unusable(reason: string, next: readonly string[]): LedgerReading {
  return { kind: "unusable", fault: new CannotJudge("config", reason, next) };
}

function cannotRead(path: string, code: string): LedgerReading {
  const reason =
    code === "ENOENT"
      ? `there is no ledger ${path}`
      : `the ledger ${path} cannot be read (${code})`;
  const next = ["run `preflight bake` and copy the file into the image", "or leave --ledger away"];
  return { kind: "unusable", fault: new CannotJudge("missing-input", reason, next) };
}
