import { createHash } from "node:crypto";

/** 16 hex digits of the sha256 of a file's text; the same for a checkout with other line ends. */
export function hashOf(text: string): string {
  const plain = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  return createHash("sha256").update(plain).digest("hex").slice(0, 16);
}
