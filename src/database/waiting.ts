/** What waiting needs from the world; time is milliseconds on a clock that never goes back. */
export type Waiting = {
  readonly clock: () => number;
  /** Rejects when the signal aborts. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  readonly log: Log;
};

type Log = (event: LogEvent) => void;

export type LogEvent = {
  readonly level: "debug" | "info" | "warn";
  /** A stable name, such as `database.waiting`. */
  readonly event: string;
  readonly msg: string;
  readonly [field: string]: unknown;
};

/** `500ms`, `60s`, `10m`: as the settings spell durations. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds >= 120_000 && milliseconds % 60_000 === 0) return `${milliseconds / 60_000}m`;
  if (milliseconds >= 1000 && milliseconds % 1000 === 0) return `${milliseconds / 1000}s`;
  return `${Math.round(milliseconds)}ms`;
}
