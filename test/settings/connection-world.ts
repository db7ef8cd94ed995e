import { expect } from "vitest";
import { readDatabase } from "../../src/settings/connection-source.ts";
import type { Connection } from "../../src/settings/connection.ts";
import { noFindings } from "../../src/settings/sources.ts";

export type World = {
  readonly env: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** Of the files that are not 0600. */
  readonly modes?: Readonly<Record<string, number>>;
  readonly osHome?: string;
  readonly osUser?: string | null;
};

/** The address in a world of these variables and files. */
export function look(world: World) {
  const findings = noFindings();
  const { env, files = {}, modes = {}, osHome = null } = world;
  const readFile = (path: string) => files[path] ?? missing();
  const statFile = (path: string) =>
    path in files ? { isFile: true, mode: modes[path] ?? 0o600, owner: 1000 } : null;
  const osUser = world.osUser === undefined ? "me" : world.osUser;
  const sources = { env, readFile, statFile, osUser, osHome };
  const connection = readDatabase(sources, findings);
  expect(connection === null).toBe(findings.faults.length > 0);
  return { connection, ...findings };
}

export function connect(world: World): Connection {
  const { connection, faults } = look(world);
  if (connection === null) throw new Error(faults.join("\n"));
  return connection;
}

export function missing(): never {
  throw Object.assign(new Error("no such file"), { code: "ENOENT" });
}
