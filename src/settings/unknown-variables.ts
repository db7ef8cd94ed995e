import { nearest } from "./nearest.ts";
import { passwordCommand } from "./password-command.ts";
import { settingsTable } from "./settings-table.ts";
import type { Sources } from "./findings.ts";

/**
 * A warning for every `PREFLIGHT_…` variable that nothing reads. Not a fault: Kubernetes injects
 * `PREFLIGHT_SERVICE_HOST` and its like beside a service of that name, and those are passed over in silence.
 */
export function describeUnknownVariables(env: Sources["env"]): readonly string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith("PREFLIGHT_") && !known.includes(name) && !isInjected(name))
    .toSorted()
    .map((name) => {
      const meant = nearest(name, known);
      return `${name} is no setting of preflight${meant === null ? "" : `; did you mean ${meant}?`}`;
    });
}

const known: readonly string[] = [
  ...Object.values(settingsTable).map(({ variable }) => variable),
  "PREFLIGHT_SCRATCH_URL_FILE",
  "PREFLIGHT_DATABASE_URL",
  "PREFLIGHT_DATABASE_URL_FILE",
  passwordCommand,
  `${passwordCommand}_FILE`,
];

function isInjected(name: string): boolean {
  return /_SERVICE_(HOST|PORT)(_|$)|_PORT($|_\d)/.test(name);
}
