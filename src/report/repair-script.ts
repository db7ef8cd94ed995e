import type { History } from "../core/history.ts";
import type { Observation } from "../core/observation.ts";
import { repairSettings } from "../core/repair-piece.ts";
import type { Step } from "../core/step.ts";
import { enumerate, nameHeads } from "../core/words.ts";
import { version } from "../version.ts";

type Place = {
  readonly observation: Observation;
  readonly history: History;
  /** Where it is. */
  readonly ledger: string;
  /** Milliseconds; null: none. */
  readonly lockTimeout: number | null;
};

/** What `repair --apply` runs, for a person to read first, and for psql. */
export function repairScript(
  { to, batches, left, unseen }: Extract<Step, { readonly kind: "repair" }>,
  { observation, history, ledger, lockTimeout }: Place,
): readonly string[] {
  const { server, home } = observation;
  return [
    ...remark(
      `What is missing in schema ${home.schema} of database ${server.database} of what ${nameHeads(to, history)} makes, by preflight ${version} from ${ledger}.`,
    ),
    ...remark("It adds; nothing is dropped, renamed or narrowed."),
    ...(left.length === 0 ? [] : remark("Left for a person:")),
    ...left.flatMap(({ what, why }) => remark(`  ${what}: ${why}`)),
    ...(unseen.length === 0
      ? []
      : remark(
          `Not looked at, as the ledger is of an earlier version: ${enumerate(unseen, unseen.length)}.`,
        )),
    ...remark(
      "preflight repair --apply runs this under the lock, and proves it. By hand: psql -v ON_ERROR_STOP=1",
    ),
    ...batches.flatMap(({ kind, statements }) => {
      const written = statements.flatMap(({ sql, says }) => [...remark(says), `${sql};`, ""]);
      return kind === "alone"
        ? ["", ...written.slice(0, -1)]
        : ["", ...opening(lockTimeout), "", ...written, "COMMIT;"];
    }),
  ];
}

function opening(lockTimeout: number | null): readonly string[] {
  return [
    "BEGIN;",
    ...repairSettings.map((each) => `SET LOCAL ${each};`),
    ...(lockTimeout === null
      ? []
      : [`SET LOCAL lock_timeout = ${Math.max(1, Math.round(lockTimeout))};`]),
  ];
}

/** In one line, whatever a name may hold. */
function remark(text: string): readonly string[] {
  return [`-- ${text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")}`];
}
