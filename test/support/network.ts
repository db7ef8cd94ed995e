import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";

/** A second machine, as far as the network goes. */
export type Machine = {
  /** By which this machine is reached from there. */
  readonly address: string;
  /** For pg_hba.conf. */
  readonly network: string;
  /** Words before a program that is to run there. */
  readonly there: readonly string[];
  /** Its cable is pulled: nothing arrives any more, in either direction, and nobody is told. */
  readonly vanish: () => Promise<void>;
  readonly remove: () => Promise<void>;
};

const execute = promisify(execFile);

/** A network namespace with a cable to this one. @returns why not, where this machine does not allow it */
export async function makeMachine(): Promise<Machine | string> {
  if (process.getuid?.() !== 0) return "a network namespace needs root";
  const name = `pf${randomBytes(4).toString("hex")}`;
  const [here, there] = [`${name}a`, `${name}b`];
  const net = `10.${(100 + (randomBytes(1)[0] ?? 0) / 2) | 0}.${randomBytes(1)[0]}`;
  const ip = async (...words: readonly string[]): Promise<void> =>
    void (await execute("ip", words));
  const remove = async (): Promise<void> => {
    await ip("link", "del", here).catch(() => {});
    await ip("netns", "del", name).catch(() => {});
  };
  try {
    await ip("netns", "add", name);
    await ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name);
    await ip("addr", "add", `${net}.1/24`, "dev", here);
    await ip("link", "set", here, "up");
    await ip("-n", name, "addr", "add", `${net}.2/24`, "dev", there);
    await ip("-n", name, "link", "set", there, "up");
    await ip("-n", name, "link", "set", "lo", "up");
  } catch (error) {
    await remove();
    return `no network namespace: ${error instanceof Error ? error.message : String(error)}`;
  }
  return {
    address: `${net}.1`,
    network: `${net}.0/24`,
    there: ["ip", "netns", "exec", name],
    vanish: async () => await ip("-n", name, "link", "set", there, "down"),
    remove,
  };
}
