import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { formatMetrics, isOurs, lastSuccessIn, type RunOfMetrics } from "./metrics.ts";
import type { VerdictLine } from "./verdict-line.ts";

/**
 * Whole or not at all, however many write it at once: a reader sees one run's metrics. Not flushed to the disk: that can
 * take long, and what a power cut takes the next run writes again.
 * @returns why it could not be written; null: done
 */
export function writeMetrics(
  file: string,
  line: VerdictLine,
  run: Omit<RunOfMetrics, "lastSuccess">,
): string | null {
  const temporary = `${file}.${line.runId}`;
  try {
    const before = readIfThere(file);
    if (!isOurs(before)) return "there is a file that preflight did not write";
    const text = formatMetrics(line, { ...run, lastSuccess: lastSuccessIn(before, run.endedAt) });
    // Whatever lies there under this name, a link above all, is not written through.
    writeFileSync(temporary, text, { flag: "wx" });
    try {
      // Whoever collects it is another user, and an image's umask may be strict.
      chmodSync(temporary, 0o644);
      renameSync(temporary, file);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/**
 * The name of the file tells several applications apart where their files meet: it is the one thing that cannot be the
 * same. It is shown as it is: `***` in a file called shop would tell that a password is shop.
 */
export function applicationOf(file: string): string {
  return path.parse(file).name;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
