import { ConnectionFault } from "./errors.ts";

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
