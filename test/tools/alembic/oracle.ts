import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pythonEnvironment } from "../../support/python.ts";

/** What Alembic says of a script directory. */
export type Answer =
  | {
      readonly heads: readonly string[];
      readonly bases: readonly string[];
      readonly ancestors: Readonly<Record<string, readonly string[]>>;
    }
  | { readonly fault: string; readonly message?: string };

export type Oracle = {
  readonly ask: (directory: string) => Promise<Answer>;
  readonly stop: () => void;
};

/** One Python process that answers one directory after the other. */
export async function startOracle(): Promise<Oracle> {
  const { python } = await pythonEnvironment();
  const script = join(dirname(fileURLToPath(import.meta.url)), "oracle.py");
  const child = spawn(python, ["-W", "ignore", script], { stdio: ["pipe", "pipe", "pipe"] });
  const errors: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk.toString()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (directory) => {
      child.stdin.write(`${directory}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error(`the oracle stopped: ${errors.join("")}`);
      return JSON.parse(line.value) as Answer;
    },
    stop: () => {
      child.stdin.end();
    },
  };
}
