import { spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";

export type Place = {
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

export type Seen = { readonly exit: number; readonly text: string };

/** Runs a command line as a person does who sits before a terminal; programs that ask find one. */
export async function type(command: string, { directory, env }: Place): Promise<Seen> {
  const child = spawn(
    "script",
    ["--quiet", "--return", "--echo", "never", "--command", command, "/dev/null"],
    {
      cwd: directory,
      env: { ...env, TERM: "dumb" },
      // An end of the input would be typed, and shown, as a character.
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  const exit = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? -1));
  });
  return { exit, text: stripVTControlCharacters(text) };
}
