import path from "node:path";
import { systemCode } from "../core/outcome.ts";
import { bareText, type Findings, isSet, type Sources } from "./sources.ts";

/**
 * The variables of a file such as `.env` that the environment lacks. Strict, as silence would be a wrong password: programs differ in
 * what `#`, a backslash, a backtick and `${…}` mean in a value, and pass over a line that they do not understand. What is accepted
 * here means the same to python-dotenv, and to Node's `parseEnv` wherever there is a value.
 * @param name of the setting that names the file
 */
export function readEnvFile(
  file: string,
  name: string,
  sources: Sources,
  findings: Findings,
): Readonly<Record<string, string>> {
  const text = readText(path.resolve(sources.cwd ?? "", file), name, sources, findings);
  if (text === null) return {};
  const { variables, faults } = parseEnvFile(text);
  findings.faults.push(...faults.map((fault) => `${name} names a file of which ${fault}`));
  return missingIn(sources.env, variables, name, findings);
}

const longest = 1024 * 1024;

function readText(
  file: string,
  name: string,
  { readFile }: Sources,
  { faults }: Findings,
): string | null {
  let text: string;
  try {
    text = bareText(readFile(file));
  } catch (error) {
    faults.push(`${name} names a file that cannot be read (${systemCode(error)})`);
    return null;
  }
  const why = [
    [text.length > longest, "is longer than 1 MiB"],
    [text.includes("\0"), "holds a NUL byte"],
    [text.includes("\uFFFD"), "is not UTF-8"],
  ].flatMap(([isSo, why]) => (isSo === true ? why : []));
  faults.push(...why.map((each) => `${name} names a file that ${String(each)}`));
  return why.length === 0 ? text : null;
}

const blanks = String.raw`[ \t]*`;
const head = String.raw`${blanks}(?:export[ \t]+)?((?!export\b)[A-Za-z_]\w*)`;
const value = String.raw`(?:'([^'\\]*)'|"((?:[^"\\]|\\n)*)"|([^\s'"\`#](?:[^\n#]*[^\s#])?)?)`;
const comment = String.raw`(?:#[^\n]*)?`;
const entry = new RegExp(
  String.raw`(?:${head}${blanks}=${blanks}${value}(?:${blanks}|[ \t]+#[^\n]*)|${blanks}${comment})(?:\n|$)`,
  "y",
);

/** Then it is no such file. */
const mostFaults = 20;

/** Faults name the line and the variable, and repeat nothing of a value. */
export function parseEnvFile(text: string): {
  readonly variables: Readonly<Record<string, string>>;
  readonly faults: readonly string[];
} {
  const variables: Record<string, string> = {};
  const faults: string[] = [];
  const lines = text.replaceAll(/\r\n?/g, "\n");
  let line = 1;
  for (let at = 0; at < lines.length && faults.length < mostFaults;) {
    entry.lastIndex = at;
    const found = entry.exec(lines);
    const [all = "", name, single, double, plain] = found ?? [];
    const read = single ?? double?.replaceAll(String.raw`\n`, "\n") ?? plain ?? "";
    if (found === null || read.includes("${")) faults.push(`line ${line} ${describe(lines, at)}`);
    else if (name !== undefined) variables[name] = read;
    const end = found === null ? endOfLine(lines, at) : at + all.length;
    line += lines.slice(at, end).split("\n").length - 1;
    at = end;
  }
  return { variables, faults };
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end + 1;
}

function describe(text: string, at: number): string {
  const name = new RegExp(`${head}${blanks}=`, "y");
  name.lastIndex = at;
  const [, variable] = name.exec(text) ?? [];
  return variable === undefined
    ? "is not NAME=value"
    : `has a value that programs read in different ways (${variable}): write it in '…'; one that holds a ' or a backslash, without quotes; and none with \${…} in it`;
}

/** What the environment has in one of these, or in those before, is not replaced by what a file has in a former one. */
const byRank: readonly (readonly string[])[] = [
  ["PREFLIGHT_DATABASE_URL"],
  ["DATABASE_URL"],
  ["POSTGRES_HOST"],
  ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"],
];

/** The environment's own address counts, whatever the variables are called that a file has one in. */
function missingIn(
  env: Sources["env"],
  variables: Readonly<Record<string, string>>,
  name: string,
  { notes }: Findings,
): Readonly<Record<string, string>> {
  const rank = byRank.findIndex((names) => names.some((each) => isSet(env, each)));
  const former = byRank.slice(0, Math.max(rank, 0)).flat();
  const isPassedOver = (each: string): boolean =>
    former.some((known) => each === known || each === `${known}_FILE`);
  const beaten = Object.keys(variables).filter(isPassedOver);
  if (beaten.length > 0)
    notes.push(
      `${beaten.join(", ")} of the file that ${name} names is passed over: the environment names the database (${byRank[rank]?.find((each) => isSet(env, each))})`,
    );
  const entries = Object.entries(variables).filter(
    ([each]) => !isPassedOver(each) && each !== "PREFLIGHT_ENV_FILE" && isMissing(each, env),
  );
  return Object.fromEntries(entries);
}

/** Of what preflight reads, `NAME` and `NAME_FILE` are one. */
function isMissing(name: string, env: Sources["env"]): boolean {
  if (!/^(?:PREFLIGHT_|DATABASE_URL|POSTGRES_|PG)/.test(name)) return (env[name] ?? "") === "";
  return !isSet(env, name.replace(/_FILE$/, "")) && (env[name] ?? "") === "";
}
