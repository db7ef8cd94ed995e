import {
  countLevels,
  describeCounts,
  describeFinding,
  type Finding,
  findingsOfFaults,
} from "../core/audit.ts";
import type { History } from "../core/history.ts";
import { type Command, type Context, type Ending, ready } from "../engine/context.ts";
import { refuseHistory } from "../engine/events.ts";
import { readProject } from "../engine/project.ts";
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
  starts: false,
  readWord: null,
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
  if (!isBroken) context.log(saySum(reading.project.knowledge.history, findings));
  if (settings.json)
    context.print(makeAuditReport(findings, isBroken ? [] : reading.project.found.warnings));
  return isBroken ? refuseHistory(reading.faults, context) : ready;
}

const severity = { fault: "error", danger: "warn", warning: "warn", note: "info" } as const;

function sayFinding(finding: Finding): LogEvent {
  const { level, rule, file, line, remedy } = finding;
  return {
    level: severity[level],
    event: "audit.finding",
    msg: describeFinding(finding),
    finding: level,
    rule,
    file,
    line,
    remedy,
  };
}

function saySum({ revisions, bases, heads }: History, findings: readonly Finding[]): LogEvent {
  return {
    level: "info",
    event: "audit.done",
    msg: `${revisions.size} revisions from ${bases.join(", ")} to ${heads.join(", ")}: ${describeCounts(countLevels(findings))}`,
  };
}
