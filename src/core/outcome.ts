/**
 * How a run can end. THE table: `--help`, the README, the exit code and the tests all read it.
 * 1–14 and 124–127 are never used: Node, shells and Docker use them.
 */
export const outcomes = {
  ready: { exit: 0, retry: false, meaning: "the application may start" },
  drift: { exit: 20, retry: false, meaning: "the schema is not what any known revision makes" },
  unproven: { exit: 21, retry: false, meaning: "no version can be proven; a person must say" },
  "ahead-incompatible": {
    exit: 22,
    retry: false,
    meaning: "the database is newer and lacks what this image needs",
  },
  partial: { exit: 23, retry: false, meaning: "a migration stopped half-way" },
  "broken-history": {
    exit: 24,
    retry: false,
    meaning: "the migration files contradict themselves",
  },
  "migration-failed": { exit: 25, retry: false, meaning: "the upgrade ran and failed" },
  "verify-failed": {
    exit: 26,
    retry: false,
    meaning: "the upgrade said yes, the second look said no",
  },
  pending: {
    exit: 30,
    retry: false,
    meaning: "check --exit-code: run would stamp or upgrade; bake --check: the ledger is stale",
  },
  usage: { exit: 64, retry: false, meaning: "unknown flag, command or argument" },
  "missing-input": { exit: 66, retry: false, meaning: "a file or a program is not there" },
  unavailable: {
    exit: 69,
    retry: true,
    meaning: "the database was not available before the deadline",
  },
  internal: { exit: 70, retry: false, meaning: "a bug in preflight" },
  temporary: {
    exit: 75,
    retry: true,
    meaning: "the lock was not obtained or was lost, a failover, a serialization failure",
  },
  protocol: { exit: 76, retry: false, meaning: "TLS, or the server is not PostgreSQL" },
  permission: { exit: 77, retry: false, meaning: "the role may not log in or may not do it" },
  config: { exit: 78, retry: false, meaning: "a setting is wrong" },
  signal: { exit: 128, retry: false, meaning: "ended by signal n: the exit code is 128+n" },
} as const satisfies Record<string, { exit: number; retry: boolean; meaning: string }>;

export type Outcome = keyof typeof outcomes;

/** A world that cannot be judged: no verdict, only an outcome, what was seen, and what to do next. */
export class CannotJudge extends Error {
  override readonly name = "CannotJudge";
  readonly outcome: Outcome;
  readonly next: readonly string[];

  constructor(outcome: Outcome, reason: string, next: readonly string[] = []) {
    super(reason);
    this.outcome = outcome;
    this.next = next;
  }
}

/** Somebody else is changing what is to be read: the same question can be asked again. */
export class Busy extends CannotJudge {
  constructor(reason: string, next: readonly string[]) {
    super("temporary", reason, next);
  }
}

/** The operating system's name of an error, such as ENOENT. */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
