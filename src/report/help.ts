import { outcomes } from "../core/outcome.ts";
import type { CommandLine } from "../settings/command-line.ts";
import type { AddressRow, SettingRow } from "../settings/settings-table.ts";

/** The tables of the settings and the commands, handed in: report and settings are siblings. */
export type HelpTables = {
  readonly commands: readonly CommandLine[];
  readonly settings: Readonly<Record<string, SettingRow>>;
  readonly addresses: readonly AddressRow[];
};

/** The text of `--help`, at most 100 columns wide; null: of the program, with every command's flags. */
export function help(name: string | null, tables: HelpTables): string {
  const command = tables.commands.find((each) => each.name === name) ?? null;
  const rows = Object.entries(tables.settings).filter(
    ([flag]) => command === null || takes(command, flag),
  );
  const flags = rows.map(([flag, row]) => describeFlag(flag, row, command, tables.commands));
  const sections = [
    command === null ? overview(tables.commands) : `Usage: ${command.usage}\n\n${command.about}`,
    `Flags (flag > environment > default; an empty variable counts as not set):\n${columns([
      ...flags,
      ["-h, --help", "this text; after a command, the command's own"],
      ["--version", "the version of preflight"],
    ])}`,
    ...(command === null || command.connects === "database"
      ? [describeAddresses(tables.addresses)]
      : []),
    describeExitCodes(),
  ];
  return `${sections.join("\n\n")}\n`;
}

/** The README's table of settings. */
export function settingsMarkdown(tables: HelpTables): string {
  const flags = Object.entries(tables.settings).map(([flag, row]) => [
    code(spell(flag, row)),
    code(row.variable),
    isPlainFlag(row) || row.default === undefined ? "" : code(row.default),
    ownersOf(flag, tables.commands).join(", "),
    row.about,
  ]);
  const addresses = tables.addresses.map(({ variable, about }) => [
    variable.split(", ").map(code).join(", "),
    about,
  ]);
  return [
    table(["flag", "variable", "default", "commands", "meaning"], flags),
    table(
      ["the database's address: the first that is set, each also as `NAME_FILE`", ""],
      addresses,
    ),
  ].join("\n\n");
}

/** The README's table of exit codes. */
export function exitCodesMarkdown(): string {
  const rows = exitCodes().map(({ exit, outcome, meaning, retry }) => [
    exit,
    code(outcome),
    meaning,
    retry ? "yes" : "no",
  ]);
  return table(["exit", "outcome", "meaning", "retry helps"], rows);
}

const width = 100;

function overview(commands: readonly CommandLine[]): string {
  const list = commands.map(({ usage, about }): Row => [usage, about]);
  return `Preflight answers one question before an application starts: may this image start against
this database? When the answer is "after a stamp" or "after an upgrade", it does that, once, and
proves it.

Usage:
${columns(list)}`;
}

function describeFlag(
  flag: string,
  row: SettingRow,
  command: CommandLine | null,
  commands: readonly CommandLine[],
): Row {
  const standard = isPlainFlag(row) || row.default === undefined ? "" : ` (default ${row.default})`;
  const names = ownersOf(flag, commands);
  const owners = command === null && names.length < commands.length ? ` (${names.join(", ")})` : "";
  return [spell(flag, row), `${row.about}${standard}${owners} [${row.variable}]`];
}

/** The names of the commands that take a flag. */
function ownersOf(flag: string, commands: readonly CommandLine[]): readonly string[] {
  return commands.filter((command) => takes(command, flag)).map(({ name }) => name);
}

function takes({ flags }: CommandLine, flag: string): boolean {
  return flags.some((each) => each === flag);
}

function describeAddresses(addresses: readonly AddressRow[]): string {
  const rows = addresses.map(({ variable, about }): Row => [about, variable]);
  return `The database, from the first of these that is set, each also as NAME_FILE:\n${columns(rows)}`;
}

function describeExitCodes(): string {
  const rows = exitCodes().map(({ exit, outcome, meaning, retry }): Row => [
    `${exit.padEnd(5)}  ${outcome}`,
    retry ? `${meaning} (a retry may help)` : meaning,
  ]);
  return `Exit codes:\n${columns(rows)}`;
}

function exitCodes() {
  return Object.entries(outcomes).map(([outcome, row]) => ({
    ...row,
    outcome,
    exit: outcome === "signal" ? "128+n" : String(row.exit),
  }));
}

/** A flag that takes no value; that it is off by default goes without saying. */
function isPlainFlag({ placeholder }: SettingRow): boolean {
  return placeholder === null;
}

function spell(flag: string, { placeholder }: SettingRow): string {
  return placeholder === null ? `--${flag}` : `--${flag} ${placeholder}`;
}

type Row = readonly [name: string, text: string];

/** Two columns: the names, and their texts broken at spaces. */
function columns(rows: readonly Row[]): string {
  const indent = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows
    .flatMap(([name, text]) =>
      wrap(text, width - indent).map((line, index) =>
        `${(index === 0 ? `  ${name}` : "").padEnd(indent)}${line}`.trimEnd(),
      ),
    )
    .join("\n");
}

function wrap(text: string, room: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return text === "…" ? text : `\`${text}\``;
}
