import { createHash } from "node:crypto";
import type { Revision } from "../core/revision.ts";

/** What a migration's text tells before anybody parses it. */
export function readFacts(
  text: string,
): Pick<Revision, "hash" | "saysIfNotExists" | "readsEnvironment"> {
  return {
    hash: hashOf(text),
    saysIfNotExists: saysIfNotExists(text),
    readsEnvironment: readsEnvironment(text),
  };
}

/** 16 hex digits of the sha256 of a file's text; the same for a checkout with other line ends. */
export function hashOf(text: string): string {
  const plain = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  return createHash("sha256").update(plain).digest("hex").slice(0, 16);
}

/**
 * Whether a migration creates something only if it is not there, in SQL or in Alembic's and SQLAlchemy's words. Extensions and schemas
 * do not count: they are made beforehand everywhere, also by migrations that create all else without asking.
 */
export function saysIfNotExists(text: string): boolean {
  return /(?<!\b(?:EXTENSION|SCHEMA)\s+)\bIF\s+NOT\s+EXISTS\b|\bif_not_exists\s*=\s*True\b|\bcheckfirst\s*=\s*True\b/i.test(
    text,
  );
}

/** Whether a migration's words ask for what each deployment has for itself: variables of the environment, options, server settings. */
export function readsEnvironment(text: string): boolean {
  return /\bos\s*\.\s*(?:environ|getenv)\b|\bgetenv\s*\(|\bimport\s+environ\b|\bget_x_argument\s*\(|\bcurrent_setting\s*\(/i.test(
    text,
  );
}
