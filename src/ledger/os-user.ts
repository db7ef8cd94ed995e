import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";

/** A user of the operating system. */
export type OsUser = { readonly name: string; readonly uid: number; readonly gid: number };

/**
 * Who runs the scratch server: initdb refuses root, and wants a user that /etc/passwd knows.
 * @returns null: the user that we are
 */
export async function serverUser(): Promise<OsUser | null> {
  if (userInfo().uid !== 0) return null;
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const users = passwd.split("\n").map((line) => line.split(":"));
  const known =
    users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody");
  const [name = "nobody", , uid = "65534", gid = "65534"] = known ?? [];
  return { name, uid: Number(uid), gid: Number(gid) };
}
