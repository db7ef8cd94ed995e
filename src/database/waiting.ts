import type { Log } from "../report/log.ts";
import { ConnectionFault } from "./errors.ts";

/** What waiting needs from the world; time is milliseconds on a clock that never goes back. */
export type Waiting = {
  readonly clock: () => number;
  /** Rejects when the signal aborts. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** At least 0, below 1: those that wait shall not try together. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly log: Log;
};

const sayAgainAfter = 10_000;

/** Whether it is time to say what is waited for: at once what is new, and every ten seconds what is still the same. */
export function isNewsTo(clock: Waiting["clock"]): (what: string) => boolean {
  let said: { readonly what: string; readonly at: number } | null = null;
  return (what) => {
    const at = clock();
    if (said !== null && said.what === what && at - said.at < sayAgainAfter) return false;
    said = { what, at };
    return true;
  };
}

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
