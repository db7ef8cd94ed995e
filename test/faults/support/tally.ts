import { isWhole } from "./sample.ts";

/** What a whole matrix came to, for whoever reads the test's output. */
export const tally = { cases: 0, kills: 0, reruns: 0, partial: 0, wrong: 0, lost: 0 };

export function printTally(what: string): void {
  const { cases, kills, reruns, partial, wrong, lost } = tally;
  const part = isWhole ? "all" : "a sample (npm run test:kills plays all)";
  process.stdout.write(
    `${what}: ${part}, ${cases} cases, ${kills} kills, ${reruns} reruns, ${partial} of them after a person's part; wrong outcomes: ${wrong}, data lost: ${lost}\n`,
  );
}
