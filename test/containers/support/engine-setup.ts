import { ensureEngine, stopEngine } from "./dockerd.ts";

/** The engine is there before the first test, and an engine of ours ends with the last. */
export async function setup(): Promise<() => Promise<void>> {
  await ensureEngine();
  return stopEngine;
}
