import { readdirSync, readFileSync } from "node:fs";

/** A variable in the environment of a run and of all that it starts. */
export const marker = "KILL_MATRIX_CASE";

/** Every process of a case, ended ones that nobody has waited for left out. */
export function processesOf(id: string): readonly number[] {
  return allProcesses().filter(
    (pid) => read(pid, "environ").split("\0").includes(`${marker}=${id}`) && stateOf(pid) !== "Z",
  );
}

/** The process group that a run has started for its child. */
export function groupOf(parent: number): number | null {
  return childrenOf(parent)[0] ?? null;
}

export function childrenOf(parent: number): readonly number[] {
  return allProcesses().filter((pid) => parentOf(pid) === parent && stateOf(pid) !== "Z");
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

function allProcesses(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** After the name, which may hold anything: state, parent, group. */
function stat(pid: number): readonly string[] {
  return read(pid, "stat")
    .replace(/^.*\) /s, "")
    .split(" ");
}

/** Z: it has ended, and perhaps nobody has asked how. */
export function stateOf(pid: number): string {
  return stat(pid)[0] || "Z";
}

function parentOf(pid: number): number {
  return Number(stat(pid)[1]);
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
