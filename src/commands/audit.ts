import {
  countLevels,
  describeCounts,
  describeFinding,
  type Finding,
  findingsOfFaults,
} from "../core/audit.ts";
import type { History } from "../core/history.ts";
import { nameHeads } from "../core/words.ts";
import { type Command, type Context, type Ending, ready } from "../engine/context.ts";
import { refuseHistory } from "../engine/events.ts";
import { type ProjectReading, readProject, sayRemarks } from "../engine/project.ts";
import { makeAuditReport } from "../report/audit-report.ts";
import type { LogEvent } from "../report/log.ts";
import { historyFlags } from "../settings/command-line.ts";
import type { Settings } from "../settings/settings.ts";

export const audit: Command = {
  name: "audit",
  usage: "preflight audit [flags]",
  about: "no database: say what is wrong with the migrations, and what is dangerous in them",
  flags: [...historyFlags, "ledger", "json"],
  connects: null,
  prints: "verdict",
  starts: false,
  words: null,
  becomes: null,
  start: examine,
};

async function examine(settings: Settings, context: Context): Promise<Ending> {
  const reading = await readProject(settings, context);
  const isBroken = reading.kind === "broken";
  const findings = isBroken
    ? findingsOfFaults(reading.faults)
    : await reading.project.found.audit(reading.project.knowledge.history);
  for (const finding of findings) context.log(sayFinding(finding));
  if (!isBroken) {
    sayRemarks(reading.project, context);
    context.log(saySum(reading.project.knowledge.history, findings, settings));
  }
  if (settings.json) context.print(makeAuditReport(findings, warningsOf(reading)));
  return isBroken ? refuseHistory(reading.faults, context) : ready;
}

function warningsOf(reading: ProjectReading): readonly string[] {
  if (reading.kind === "broken") return [];
  const { warnings, remarks } = reading.project.found;
  return [...warnings, ...remarks];
}

const severity = { fault: "error", danger: "warn", warning: "warn", note: "debug" } as const;

function sayFinding(finding: Finding): LogEvent {
  const { level, rule, file, line, remedy } = finding;
  return {
    // A note about a file is for whoever asks; one about all of them is what the audit has to say.
    level: level === "note" && file === null ? "info" : severity[level],
    event: "audit.finding",
    msg: describeFinding(finding),
    finding: level,
    rule,
    file,
    line,
    remedy,
  };
}

function saySum(
  history: History,
  findings: readonly Finding[],
  { verbose }: Pick<Settings, "verbose">,
): LogEvent {
  const { revisions, bases, heads } = history;
  const isShort = !verbose && findings.some(({ level, file }) => level === "note" && file !== null);
  return {
    level: "info",
    event: "audit.done",
    msg: `${revisions.size} revisions from ${nameHeads(bases, history)} to ${nameHeads(heads, history)}: ${describeCounts(countLevels(findings))}${isShort ? " (--verbose shows the notes)" : ""}`,
  };
}
