import type { Findings, Sources } from "./findings.ts";
import { words } from "./values.ts";
import { readVariable } from "./variables.ts";

/** For passwords that live shorter than a wait, such as the tokens of a cloud's own database logins. */
export const passwordCommand = "PREFLIGHT_PASSWORD_COMMAND";

/** The command, split into words; null when there is none, or when the findings say what is wrong with it. */
export function readPasswordCommand(
  sources: Sources,
  findings: Findings,
): readonly string[] | null {
  const text = readVariable(passwordCommand, sources, findings);
  if (text === null) return null;
  const parsed = words.safeParse(text);
  if (parsed.success) return parsed.data;
  findings.faults.push(
    ...parsed.error.issues.map(({ message }) => `${passwordCommand} ${message}`),
  );
  return null;
}
