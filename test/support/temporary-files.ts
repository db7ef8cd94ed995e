import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** All temporary files of a test run lie in one directory, which goes with the run. */
export function setup(): () => void {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-tests-"));
  // PostgreSQL's servers run as another user.
  chmodSync(directory, 0o1777);
  process.env["TMPDIR"] = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}
