import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Alembic's own program in one process for many databases: its start takes longer than most revisions do. */
export type AlembicSession = {
  /** @param words as its command line has them, without the program */
  readonly run: (url: string, words: readonly string[]) => Promise<void>;
  /** Revisions, as `upgrade heads` goes through them. */
  readonly order: readonly string[];
  readonly stop: () => void;
};

const program = `
import json, os, sys
from alembic.config import Config, main
from alembic.script import ScriptDirectory

answers, sys.stdout = sys.stdout, sys.stderr

def answer(value):
    print(json.dumps(value), file=answers, flush=True)

script = ScriptDirectory.from_config(Config(sys.argv[1]))
answer([each.revision for each in script.walk_revisions()][::-1])
for line in sys.stdin:
    os.environ["DATABASE_URL"], *words = json.loads(line)
    try:
        main(argv=words)
        answer(None)
    except BaseException as error:
        answer(str(error))
`;

export async function startAlembic(cwd: string, config: string): Promise<AlembicSession> {
  const child = spawn("python3", ["-c", program, config], { cwd, stdio: "pipe" });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const order = (await answered()) as readonly string[];
  return {
    order,
    run: async (url, words) => {
      child.stdin.write(`${JSON.stringify([url, ...words])}\n`);
      const fault = await answered();
      if (fault !== null) throw new Error(`alembic ${words.join(" ")}: ${String(fault)}`);
    },
    stop: () => child.kill(),
  };

  async function answered(): Promise<unknown> {
    const { value } = (await answers.next()) as { readonly value?: string };
    if (value === undefined) throw new Error(`Alembic has ended: ${said}`);
    return JSON.parse(value) as unknown;
  }
}
