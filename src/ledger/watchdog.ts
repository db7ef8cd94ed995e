import { spawn } from "node:child_process";

/**
 * A shell that outlives this process: where SIGKILL left us no time to clean up, it does. It reads from a pipe that ends
 * with us. Without a shell nobody watches.
 * @param script gets the words as `$1`, `$2`, …
 * @returns calls the watch off
 */
export function watchOver(
  script: string,
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): () => void {
  const shell = spawn("/bin/sh", ["-c", `read -r _\n${script}`, "preflight-bake", ...words], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", ...env },
    // Not the terminal's process group: a Ctrl-C is not the end.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  shell.once("error", () => {});
  return () => {
    shell.kill("SIGKILL");
    shell.stdin.destroy();
  };
}
