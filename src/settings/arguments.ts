import { parseArgs } from "node:util";
import type { CommandLine } from "./command-line.ts";
import { type Flag, type SettingRow, settingsTable } from "./settings-table.ts";

/** What argv says, before any value is judged. */
export type Arguments =
  | { readonly kind: "help"; readonly command: CommandLine | null }
  | { readonly kind: "version" }
  | {
      readonly kind: "arguments";
      /** Null: not a command that we know, and the faults say so. */
      readonly command: CommandLine | null;
      /** The text after each flag; "true" for a flag that takes no value. */
      readonly flags: ReadonlyMap<Flag, string>;
      /** The words after `--`. */
      readonly exec: readonly string[];
      /** Those after the command, as typed, no more than it takes. */
      readonly words: readonly string[];
      /** Usage faults, all of them. */
      readonly faults: readonly string[];
    };

/**
 * Read argv, without the program's own name. `parseArgs` would stop at the first fault in strict mode,
 * so it only cuts argv into tokens, and every token is judged here.
 * @param commands the first one is meant where none is named
 */
export function parseArguments(
  argv: readonly string[],
  commands: readonly CommandLine[],
): Arguments {
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const end = tokens.find((token) => token.kind === "option-terminator")?.index ?? argv.length;
  const before = tokens.filter((token) => token.index < end);
  const given = before.filter((token) => token.kind === "option").filter(isFirstOfCluster);
  const strays = withoutValuesOfUnknownFlags(before, commands);
  const typed = commands.find(({ name }) => name === strays[0]?.value);

  const asked = (name: string) =>
    given.some((token) => token.name === name && token.value === undefined);
  if (asked("help")) return { kind: "help", command: typed ?? null };
  if (asked("version")) return { kind: "version" };

  const flags = new Map<Flag, string>();
  const faults: string[] = [];
  const [first, ...others] = strays;
  const command = (first === undefined ? commands[0] : typed) ?? null;
  const most = command?.words?.most ?? 0;
  const [words, more] = [others.slice(0, most), others.slice(most)];
  if (command === null && first !== undefined) faults.push(describeUnknownCommand(first, commands));
  if (command !== null && more.length > 0) faults.push(describeStrays(more));
  for (const token of given) {
    const { name, value = "true" } = token;
    const fault = isFlag(name) ? faultOfFlag(name, token, flags) : describeUnknownFlag(token);
    if (fault !== null && !faults.includes(fault)) faults.push(fault);
    if (fault === null && isFlag(name)) flags.set(name, withEarlier(flags.get(name), value));
  }
  if (command !== null) faults.push(...flagsOfOtherCommands(command, flags, commands));

  const exec = argv.slice(end + 1);
  if (exec[0] === "") faults.push("the command after -- has no name");
  if (exec.length > 0 && command !== null && !command.starts) {
    faults.push(`preflight ${command.name} starts no command: leave out -- and what follows`);
  }
  return {
    kind: "arguments",
    command,
    flags,
    exec,
    words: words.map(({ value }) => value),
    faults,
  };
}

const options = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
  ...Object.fromEntries(
    Object.entries(settingsTable).map(([flag, { placeholder }]) => [
      flag,
      { type: placeholder === null ? ("boolean" as const) : ("string" as const) },
    ]),
  ),
} as const;

type Token = NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number];
type FlagToken = Extract<Token, { kind: "option" }>;
type Word = Extract<Token, { kind: "positional" }>;

/** `-pSecret` is one unknown flag, not seven. */
function isFirstOfCluster(token: FlagToken, at: number, all: readonly FlagToken[]): boolean {
  return token.name === "help" || all[at - 1]?.index !== token.index;
}

/** A word right after an unknown flag is taken for its value: one mistake, one fault, and it may be a secret. */
function withoutValuesOfUnknownFlags(
  tokens: readonly Token[],
  commands: readonly CommandLine[],
): readonly Word[] {
  return tokens.filter((token, at): token is Word => {
    if (token.kind !== "positional") return false;
    const previous = tokens[at - 1];
    const isCommand = commands.some(({ name }) => name === token.value);
    return isCommand || previous?.kind !== "option" || Object.hasOwn(options, previous.name);
  });
}

/** Only a plain word is repeated: anything else may be an address with a password. */
function describeUnknownCommand({ value, index }: Word, commands: readonly CommandLine[]): string {
  const commandNames = commands.map(({ name }) => name);
  const known = commandNames.join(", ");
  if (!/^[a-z][a-z-]{0,30}$/.test(value)) {
    return `argument ${index + 1} is no command (${known}); a command to start goes after --`;
  }
  const meant = nearest(value, commandNames);
  if (meant !== null) return `unknown command ${value}; did you mean ${meant}?`;
  return `unknown command ${value}; there are ${known}, and a command to start goes after --`;
}

function describeStrays(strays: readonly Word[]): string {
  const places = strays.map(({ index }) => index + 1).join(", ");
  const which = strays.length === 1 ? `argument ${places} is` : `arguments ${places} are`;
  return `${which} too many; a command to start goes after --`;
}

function describeUnknownFlag({ name, rawName, index }: FlagToken): string {
  if (name === "help" || name === "version") return `${rawName} takes no value`;
  if (!/^--?[A-Za-z][\w-]*$/.test(rawName)) return `argument ${index + 1} is an unknown flag`;
  const meant = nearest(name, [...Object.keys(settingsTable), "help", "version"]);
  return `unknown flag ${rawName}${meant === null ? "" : `; did you mean --${meant}?`}`;
}

function faultOfFlag(
  name: Flag,
  { value, inlineValue }: FlagToken,
  seen: ReadonlyMap<Flag, string>,
): string | null {
  const { placeholder, isList }: SettingRow = settingsTable[name];
  if (placeholder === null) return value === undefined ? null : `--${name} takes no value`;
  if (value === undefined || value === "")
    return `--${name} needs a value: --${name} ${placeholder}`;
  if (!inlineValue && value.startsWith("-") && value !== "-") {
    return `--${name} needs a value; one that begins with - is written --${name}=${placeholder}`;
  }
  return seen.has(name) && isList !== true ? `--${name} is given twice` : null;
}

/** Only of lists there is one. */
function withEarlier(earlier: string | undefined, value: string): string {
  return earlier === undefined ? value : `${earlier}\n${value}`;
}

/** With the flag by which it becomes another one, a command takes the other's flags too. */
function flagsOfOtherCommands(
  command: CommandLine,
  flags: ReadonlyMap<Flag, string>,
  commands: readonly CommandLine[],
): readonly string[] {
  const { becomes } = command;
  const other = becomes !== null && flags.has(becomes.flag) ? becomes.name : command.name;
  return [...flags.keys()].flatMap((flag) => {
    const names = commands.flatMap((each) => (each.flags.includes(flag) ? [each.name] : []));
    if (names.includes(command.name) || names.includes(other)) return [];
    return [`preflight ${command.name} does not take --${flag}; it belongs to ${names.join(", ")}`];
  });
}

function isFlag(name: string): name is Flag {
  return Object.hasOwn(settingsTable, name);
}

/** The known name that a mistyped one most likely means, or null when none is near. */
export function nearest(typed: string, known: readonly string[]): string | null {
  const [best] = known
    .map((name) => ({ name, distance: editDistance(typed, name) }))
    .filter(({ name, distance }) => distance <= 2 && distance < name.length / 2)
    .toSorted((a, b) => a.distance - b.distance);
  return best?.name ?? null;
}

/** Levenshtein's distance: how many letters must be added, removed or replaced. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
