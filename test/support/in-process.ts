import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { cli } from "../../src/cli.ts";
import type { Command } from "../../src/engine/context.ts";
import { verdictLine, type VerdictLine } from "../../src/report/verdict-schema.ts";
import { tools } from "../../src/tools/registry.ts";
import type { Tool } from "../../src/tools/tool.ts";

export type Said = {
  readonly exit: number;
  readonly line: VerdictLine;
  readonly log: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
};

/** The program as `main.ts` composes it, in this process: a case costs no start of another. */
export async function preflight(
  argv: readonly string[],
  place: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly tools?: readonly Tool[];
    readonly commands?: readonly Command[];
  },
): Promise<Said> {
  let stdout = "";
  let stderr = "";
  const result = await cli(
    {
      argv,
      env: place.env,
      cwd: place.cwd,
      tools: place.tools ?? tools,
      programDirectory: import.meta.dirname,
      osUser: "prove",
      osHome: null,
      runId: randomUUID().slice(0, 8),
      now: () => performance.now(),
      today: () => Date.now(),
      random: Math.random,
      sleep: async (ms, signal) => await sleep(ms, undefined, signal && { signal }),
      signal: new AbortController().signal,
      signalGroup: (group, signal) => {
        try {
          process.kill(-group, signal);
        } catch {
          // The group is gone already.
        }
      },
      readFile: (file) => readFileSync(file, "utf8"),
      statFile: (file) => {
        try {
          const { mode, uid } = statSync(file);
          return { isFile: (mode & 0o170000) === 0o100000, mode: mode & 0o777, owner: uid };
        } catch {
          return null;
        }
      },
      stdout: (text) => void (stdout += text),
      stderr: (text) => void (stderr += text),
      stderrIsTerminal: false,
      terminationLog: () => {},
    },
    place.commands,
  );
  // With a command to start, stdout is the command's; with a document, the document's.
  const isTaken = argv.includes("--") || ["history", "repair"].includes(argv[0] ?? "");
  const lines = (isTaken ? stderr : stdout).trim().split("\n");
  const last = lines.findLast((line) => line.startsWith('{"v":1')) ?? "";
  return {
    exit: result.kind === "exit" ? result.code : 0,
    line: verdictLine.strict().parse(JSON.parse(last)),
    log: stderr.split("\n").filter((line) => line !== ""),
    stdout,
    stderr,
  };
}
