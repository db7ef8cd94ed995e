import { type Fault, ConnectionFault } from "./errors.ts";

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

// What cannot be interrupted can be left: it goes on by itself, and nobody hears of its end.

/** Rejects with the signal's reason as soon as there is one. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {};
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
  });
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Rejects with a ConnectionFault TIMED_OUT after so many milliseconds. */
export async function inTime<T>(
  work: Promise<T>,
  milliseconds: number,
  doing?: string,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new ConnectionFault("TIMED_OUT", doing)), milliseconds);
  try {
    return await unlessAborted(work, late.signal);
  } finally {
    clearTimeout(timer);
  }
}

// Whether another try may help

/** What follows from a failed attempt to connect. */
export type Retry =
  | { readonly kind: "wait" }
  /** Waiting rarely cures it: a few more tries. */
  | { readonly kind: "again"; readonly pause: number; readonly why: string }
  | { readonly kind: "refuse" };

type Grace = {
  readonly of: (fault: Fault) => boolean;
  /** In all. */
  readonly tries: number;
  /** Milliseconds before the next. */
  readonly pause: number;
  readonly why: string;
};

/**
 * What is refused only when it has been seen several times. Three logins in ten seconds do not lock an account out,
 * and meet a role or a database that is created some seconds after the server has come up.
 */
const graces: readonly Grace[] = [
  {
    of: ({ kind, code }) => kind === "permission" && code.startsWith("28"),
    tries: 3,
    pause: 4500,
    why: "the role or its password may still be on its way",
  },
  {
    of: ({ code }) => code === "3D000",
    tries: 3,
    pause: 4500,
    why: "the database may still be created",
  },
  {
    of: ({ code }) => code === "NOT_POSTGRES" || code === "BAD_MESSAGE",
    tries: 2,
    pause: 500,
    why: "something else may have had its port for a moment",
  },
];

/** @param earlier what was not waited for before this attempt */
export function retryOf(fault: Fault, earlier: readonly Fault[]): Retry {
  if (fault.kind === "unavailable" || fault.kind === "temporary") return { kind: "wait" };
  const grace = graces.find(({ of }) => of(fault));
  if (grace === undefined || earlier.filter(grace.of).length + 1 >= grace.tries)
    return { kind: "refuse" };
  return { kind: "again", pause: grace.pause, why: grace.why };
}

/** Whether another host, another address, or the same one later may do better. */
export function isWaitedFor({ kind }: Fault): boolean {
  return kind === "unavailable" || kind === "temporary";
}
