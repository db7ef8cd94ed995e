import { readFileSync } from "node:fs";
import os from "node:os";

/**
 * The operating system's name and home of the user that we are, as libpq finds them; null where it has none, as in many
 * containers. Bun's own answer is what USER and HOME say, whoever we are.
 */
export function findUser(
  uid: number | undefined,
  isBun: boolean,
): { readonly name: string; readonly home: string } | null {
  try {
    const users = readFileSync("/etc/passwd", "utf8").split("\n");
    const fields = users.map((line) => line.split(":")).find(([, , id]) => id === String(uid));
    const [name, , , , , home] = fields ?? [];
    if (name !== undefined && home !== undefined) return { name, home };
  } catch {
    // Not everywhere are users listed in a file.
  }
  try {
    const { username, homedir } = os.userInfo();
    return isBun ? null : { name: username, home: homedir };
  } catch {
    return null;
  }
}
