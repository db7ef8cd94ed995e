import { spawn } from "node:child_process";

/**
 * A shell that outlives this process: where SIGKILL left us no time to do it, it ends the server (SIGQUIT
 * is PostgreSQL's immediate shutdown) and removes its directory. It reads from a pipe that ends with us.
 * Without a shell nobody watches.
 * @returns calls the watch off
 */
export function watchOver(server: number, directory: string): () => void {
  const shell = spawn("/bin/sh", ["-c", script, "preflight-bake", String(server), directory], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
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

const script = `
read -r _
kill -QUIT "$1"
for _ in 1 2 3 4 5; do kill -0 "$1" && sleep 1; done
rm -rf "$2"`;
