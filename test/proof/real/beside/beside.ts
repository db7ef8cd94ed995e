import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { TestServer } from "../../../support/postgres.ts";
import { librariesEnvironment } from "../../../support/python.ts";

/** Ten libraries make their own tables where the address leads, and a database administrator leaves the usual there. */
export async function addOthers(server: TestServer, url: string): Promise<void> {
  const { python } = await librariesEnvironment();
  const libraries = path.join(import.meta.dirname, "libraries.py");
  await promisify(execFile)(python, [libraries, url], { maxBuffer: 2 ** 26 });
  await server.sql(url, readFileSync(path.join(import.meta.dirname, "leftovers.sql"), "utf8"));
}
