import { spawn } from "node:child_process";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { shapes } from "./hostile.ts";

const program = path.join(import.meta.dirname, "hostile.ts");
/** Hundreds of times what one takes where nothing grows with the square of the size. */
const limit = 120_000;

describe.concurrent("no input takes more than its size is worth, and none overflows the stack", () => {
  test.each(Object.keys(shapes))("%s", async (shape) => {
    const ended = await run([program, shape]);
    expect(ended.signal, "it ends by itself").toBe(null);
    expect(ended.said).toMatch(/^[a-z-]+$/);
    expect(ended.code).toBe(0);
  });
});

/** In a process of its own: what hangs can be ended, and what overflows takes nobody along. */
async function run(argv: readonly string[]): Promise<{
  readonly code: number | null;
  readonly signal: string | null;
  readonly said: string;
}> {
  return await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, argv, { timeout: limit, killSignal: "SIGKILL" });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, said }));
  });
}
