import type { HistoryFault } from "./history.ts";
import { describeFault } from "./words.ts";

/** What `audit` has to say of one place in a history. */
export type Finding = {
  readonly level: Level;
  /** A stable name, such as `drop-column`. */
  readonly rule: string;
  /** Null: it is about no one file. */
  readonly file: string | null;
  /** From 1; null: about the whole file. */
  readonly line: number | null;
  /** What was seen, why it matters, and what a person can do. */
  readonly seen: string;
  readonly why: string;
  readonly remedy: string;
};

/** The worst first. Only faults make the history unusable. */
export const levels = [
  "fault",
  /** Loses data, or blocks those who use a table for as long as it is large. */
  "danger",
  /** Not safe to repeat, or wrong for somebody under some circumstances. */
  "warning",
  "note",
] as const;

export type Level = (typeof levels)[number];

export function findingsOfFaults(faults: readonly HistoryFault[]): readonly Finding[] {
  return faults.map((fault) => ({
    level: "fault",
    rule: fault.kind,
    file: fileOf(fault),
    line: "line" in fault ? fault.line : null,
    seen: describe(fault),
    why: "no database is touched as long as the files are like this",
    remedy: remedies[fault.kind],
  }));
}

/** In one line: a terminal shows nothing else of a finding. */
export function describeFinding({ level, rule, file, line, seen, why, remedy }: Finding): string {
  const place = file === null ? "" : `${file}${line === null ? "" : `:${line}`}: `;
  return `${place}${level} (${rule}): ${seen}: ${why}. Remedy: ${remedy}`;
}

/** How many findings there are of each level. */
export function countLevels(findings: readonly Finding[]): Readonly<Record<Level, number>> {
  const counts = { fault: 0, danger: 0, warning: 0, note: 0 };
  for (const { level } of findings) counts[level] += 1;
  return counts;
}

export function describeCounts(counts: Readonly<Record<Level, number>>): string {
  const told = levels
    .filter((level) => counts[level] > 0)
    .map((level) => `${counts[level]} ${level}${counts[level] === 1 ? "" : "s"}`);
  return told.length === 0 ? "no faults" : told.join(", ");
}

const remedies: Readonly<Record<HistoryFault["kind"], string>> = {
  unreadable: "mend the file, or take it out of the directory if it is no migration",
  "duplicate-id": "give one of the files another number, one that no database has recorded yet",
  "missing-parent": "bring the missing file back, or correct what this one follows",
  "missing-dependency": "bring the missing file back, or correct what this one depends on",
  "duplicate-label": "keep the label in one of the files",
  "illegal-id": "give the revision another id, and correct the revisions that name it",
  cycle: "correct what one of them follows",
};

/** Without the place, which a finding names itself. */
function describe(fault: HistoryFault): string {
  if (fault.kind !== "unreadable") return describeFault(fault);
  return fault.column === null ? fault.why : `${fault.why} (column ${fault.column})`;
}

function fileOf(fault: HistoryFault): string | null {
  if ("file" in fault) return fault.file;
  return "files" in fault ? (fault.files[0] ?? null) : null;
}
