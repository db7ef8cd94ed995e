import { cpSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type } from "./terminal.ts";

/**
 * A chapter of a document that a person can follow with an empty directory and an empty database. A block of code is
 * - the file that the line before it names (`path`:), or, as a `diff`, a change of that file;
 * - `sh`: what is typed, and the block without a language after it what is seen then, from the first line to the last one.
 *   `…` stands for any lines, or, in a line, for any text;
 * - `dockerfile`: the lines of an image that have to do with Preflight.
 */
export type Walk = { readonly title: string; readonly blocks: readonly Block[] };

type Block = {
  readonly language: string;
  /** The path in the line before it. */
  readonly file: string | null;
  readonly text: string;
  readonly line: number;
};

export type Ground = {
  readonly env: Readonly<Record<string, string>>;
  /** `host:port` of the server that stands for the document's `localhost`. */
  readonly server: string;
  /** Names of the Python packages that are there for what `pip install` names. */
  readonly packages: ReadonlySet<string>;
};

/** The chapters of the second level that have blocks of code. */
export function walksOf(document: string): readonly Walk[] {
  const walks: { title: string; blocks: Block[] }[] = [];
  const lines = document.split("\n");
  let named: string | null = null;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    if (line.trimStart().startsWith("```")) {
      const [, language] = /^```(\w*)$/.exec(line) ?? [];
      const end = lines.indexOf("```", at + 1);
      const walk = walks.at(-1);
      if (language === undefined || end === -1 || walk === undefined)
        throw new Error(`line ${at + 1}: a block that is in no walk`);
      const text = `${lines.slice(at + 1, end).join("\n")}\n`;
      walk.blocks.push({ language, file: named, text, line: at + 1 });
      at = end;
      named = null;
    } else if (line.startsWith("## ")) walks.push({ title: line.slice(3), blocks: [] });
    else if (line !== "") named = /^`([^`]+)`:$/.exec(line)?.[1] ?? null;
  }
  return walks.filter(({ blocks }) => blocks.length > 0);
}

/**
 * Does in a new directory what a walk says, from top to bottom; whatever is not as it says is an error.
 * @returns how many blocks were compared with what was seen
 */
export async function playWalk(walk: Walk, ground: Ground): Promise<number> {
  const directory = mkdtempSync(path.join(tmpdir(), "walk-"));
  const state = path.join(mkdtempSync(path.join(tmpdir(), "state-")), "variables");
  const env = { ...ground.env, PATH: `${standIns()}:${ground.env["PATH"]}` };
  const place = { ...ground, env, directory, state };
  let seen: string | null = null;
  let compared = 0;
  for (const block of walk.blocks) {
    const text = block.text.replaceAll("@localhost/", `@${ground.server}/`);
    const where = `line ${block.line}`;
    if (block.file !== null) {
      const file = path.join(directory, block.file);
      if (block.language === "diff") change(file, text, where);
      else write(file, text);
    } else if (block.language === "dockerfile") await startImage(text, place, where);
    else if (block.language === "sh") seen = await typeCommands(text, place, where);
    else if (block.language === "" && seen !== null) {
      expectSeen(seen, block.text, where);
      seen = null;
      compared += 1;
    } else throw new Error(`${where}: nobody plays this block`);
  }
  return compared;
}

type Place = Ground & {
  readonly directory: string;
  /** Where the shell's variables are kept from one block to the next. */
  readonly state: string;
};

function write(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Each piece of a diff, `@@` between them, must be there exactly once. */
function change(file: string, diff: string, where: string): void {
  let text = readFileSync(file, "utf8");
  for (const piece of diff.split(/^@@.*\n/m).filter((piece) => piece !== "")) {
    const lines = piece.trimEnd().split("\n");
    const side = (sign: string): string =>
      lines
        .filter((line) => line === "" || line.startsWith(" ") || line.startsWith(sign))
        .map((line) => `${line.slice(1)}\n`)
        .join("");
    const parts = text.split(side("-"));
    if (parts.length !== 2)
      throw new Error(
        `${where}: ${file} has this ${parts.length - 1} times:\n${side("-")}\n${text}`,
      );
    text = parts.join(side("+"));
  }
  writeFileSync(file, text);
}

/** As a person types them, one after the other, until one fails; none may. */
async function typeCommands(text: string, place: Place, where: string): Promise<string> {
  const script = `${place.state}.sh`;
  const lines = text.split("\n").filter((line) => !isInstalled(line, place, where));
  const before = [
    `if [ -f ${place.state} ]; then . ${place.state}; fi`,
    `trap 'export -p > ${place.state}' EXIT`,
  ];
  writeFileSync(script, [...before, ...lines].join("\n"));
  const { exit, text: seen } = await type(`bash -e ${script}`, place);
  const lasting = lastingLines(seen).replaceAll(place.server, "localhost");
  if (exit !== 0) throw new Error(`${where}: ended with ${exit}\n${lasting}`);
  return lasting;
}

/** A line that is written over, such as that of a progress, is not seen in the end. */
function lastingLines(text: string): string {
  return text
    .split(/\r*\n/)
    .map((line) => line.slice(line.lastIndexOf("\r") + 1).trimEnd())
    .join("\n");
}

/** What the tests' own environment already has, at its versions: every package must be among them. */
function isInstalled(line: string, { packages }: Ground, where: string): boolean {
  const [, words] = /^pip install (.+)$/.exec(line) ?? [];
  if (words === undefined) return false;
  const names = packagesOf(words.replaceAll('"', "").replaceAll(" ", "\n"));
  const unknown = [...names].filter((name) => !packages.has(name));
  if (unknown.length > 0)
    throw new Error(`${where}: the tests' environment lacks ${unknown.join(", ")}`);
  return true;
}

/** The names in a file for pip, without versions and extras. */
export function packagesOf(requirements: string): ReadonlySet<string> {
  const lines = requirements.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Set(lines.map((line) => line.replace(/[[=<>~!; ].*$/, "").toLowerCase()));
}

function expectSeen(seen: string, expected: string, where: string): void {
  if (!shapeOf(expected).test(seen))
    throw new Error(`${where}: expected\n${expected}\nand seen was\n${seen}`);
}

function shapeOf(expected: string): RegExp {
  const lines = expected.trimEnd().split("\n");
  const shapes = lines.map((line) =>
    line === "…" ? "(?:.*\\n)*" : `${line.split("…").map(literal).join(".*")}\\n`,
  );
  return new RegExp(`^${shapes.join("")}$`);
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/**
 * What can be seen of an image without building it: in a directory with nothing but what it copies, and with no other variables than its
 * own and the address, what it starts with finds the ledger and lets the application's program begin.
 */
async function startImage(dockerfile: string, place: Place, where: string): Promise<void> {
  const image = mkdtempSync(path.join(tmpdir(), "image-"));
  const words = { ENTRYPOINT: "[]", CMD: "[]" };
  const variables = ['PATH="$PATH"', 'DATABASE_URL="$DATABASE_URL"'];
  for (const line of dockerfile.trimEnd().split("\n")) {
    const [, instruction = "", rest = ""] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (instruction === "ENTRYPOINT" || instruction === "CMD") words[instruction] = rest;
    else if (instruction === "ENV") variables.push(rest);
    else if (instruction !== "COPY") throw new Error(`${where}: nobody plays ${line}`);
    else if (!rest.startsWith("--from=preflight ")) copy(rest, place.directory, image);
  }
  const argv = [...wordsOf(words.ENTRYPOINT), ...wordsOf(words.CMD)].map(quoted);
  const command = `env -i ${[...variables, ...argv].join(" ")}`;
  const seen = await typeCommands(command, { ...place, directory: image }, where);
  if (!seen.includes("the application was started"))
    throw new Error(`${where}: the application was not started:\n${seen}`);
  if (/"ledger":"(?!verified)/.test(seen))
    throw new Error(`${where}: the image lacks the ledger:\n${seen}`);
}

/** As COPY does: of a directory what is in it, and a file into a directory. */
function copy(words: string, from: string, image: string): void {
  const names = words.split(" ");
  const target = path.join(image, names.pop() ?? "");
  for (const name of names) {
    const source = path.join(from, name);
    const isFile = statSync(source).isFile();
    cpSync(source, isFile ? path.join(target, path.basename(name)) : target, { recursive: true });
  }
}

function wordsOf(json: string): readonly string[] {
  return JSON.parse(json) as readonly string[];
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Programs of these names that say that they were started: what an application is started with. */
function standIns(): string {
  const bin = mkdtempSync(path.join(tmpdir(), "servers-"));
  for (const name of ["uvicorn", "gunicorn", "node"])
    writeFileSync(path.join(bin, name), "#!/bin/sh\necho the application was started\n", {
      mode: 0o755,
    });
  return bin;
}
