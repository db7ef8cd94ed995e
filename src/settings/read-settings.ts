import { nearest, parseArguments } from "./arguments.ts";
import type { CommandLine } from "./command-line.ts";
import { readDatabase, readScratch } from "./connection-source.ts";
import type { Connection } from "./connection.ts";
import { readEnvFile } from "./env-file.ts";
import { passwordCommandVariable, readPasswordCommand } from "./passwords.ts";
import {
  asProgramSees,
  readProgramAddress,
  readProgramConnection,
  readSchema,
  warnOfAddress,
} from "./program-address.ts";
import { collectSecrets, namesAmongSecrets } from "./secrets.ts";
import {
  type Flag,
  type SettingRow,
  settingsTable,
  type Value,
  type Values,
} from "./settings-table.ts";
import type { SettingsResult } from "./settings.ts";
import { type Findings, noFindings, readingOnce, type Sources } from "./sources.ts";
import { alternatives } from "./values.ts";

/**
 * Flags and environment → settings, or every fault at once. flag > environment > default.
 * `argv` is without the program's own name, and `known` are the commands, and the tools that `--tool` takes.
 */
export function readSettings(
  argv: readonly string[],
  world: Sources,
  known: { readonly commands: readonly CommandLine[]; readonly tools: readonly string[] },
): SettingsResult {
  const line = parseArguments(argv, known.commands);
  if (line.kind === "help") return { kind: "help", command: line.command?.name ?? null };
  if (line.kind !== "arguments") return line;

  const { flags, exec } = line;
  // Which settings count depends on the command: without one, only argv can be judged.
  if (line.command === null) {
    const nothing = { command: null, metricsFile: null, enforce: true, fileVariables: {} };
    return { kind: "faults", outcome: "usage", faults: line.faults, exec, ...nothing };
  }

  const findings = noFindings();
  const fileVariables = readFileVariables(line.command, flags, world, findings);
  const sources = readingOnce({ ...world, env: { ...world.env, ...fileVariables } });
  const { env } = sources;
  const usage = [...line.faults];
  const { becomes } = line.command;
  const isOther = becomes !== null && readValue(becomes.flag, flags, env, findings) === true;
  const other = known.commands.find(({ name }) => isOther && name === becomes.name);
  const command = other ?? line.command;
  if (!command.starts && line.command.starts && exec.length > 0)
    usage.push(`--${becomes?.flag} starts no command: leave out -- and what follows`);
  const words = command.words?.read(line.words, usage) ?? [];
  const values = readValues(command, flags, env, findings);
  checkTool(values.tool, flags, known.tools, findings);
  const metricsFile = readMetricsFile(values.metricsFile, flags, sources, findings);
  const needsDatabase = command.connects === "database";
  const database = needsDatabase ? readDatabase(sources, findings) : null;
  const passwordCommand = needsDatabase ? readPasswordCommand(sources, findings) : null;
  const scratchFlag = flags.get("scratch-url") ?? null;
  const needsScratch = command.connects === "scratch" && !values.check;
  const scratch = needsScratch ? readScratchServer(scratchFlag, values, sources, findings) : null;

  const faults = [...new Set([...usage, ...findings.faults])];
  if (faults.length > 0) {
    const outcome = usage.length > 0 ? "usage" : "config";
    const { enforce } = values;
    const known = { command: command.name, metricsFile, enforce, exec, fileVariables };
    return { kind: "faults", outcome, faults, ...known };
  }
  const programs = asProgramSees(sources, values.programEnv, database ?? scratch);
  const programAddress = database && readProgramAddress(database, programs);
  const programConnection =
    database && readProgramConnection(database, programs, values.programEnv);
  const addressWarning = database && warnOfAddress(database, programAddress);
  const connections = [database, programConnection, scratch];
  return {
    kind: "settings",
    settings: {
      ...settle(values),
      schema: values.schema ?? (database && readSchema(database, sources, findings)),
      command: command.name,
      database,
      scratch,
      programAddress,
      programConnection,
      passwordCommand,
      metricsFile,
      words,
      verbose: values.verbose || isDebug(env),
      exec,
      fileVariables,
      warnings: [
        ...findings.warnings,
        ...describeUnknownVariables(env),
        ...(addressWarning === null ? [] : [addressWarning]),
      ],
      notes: findings.notes,
      secrets: collectSecrets(programs, connections, scratchFlag),
      secretNames: namesAmongSecrets(programs, connections),
    },
  };
}

function readScratchServer(
  flag: string | null,
  { scratchImage }: Values,
  sources: Sources,
  findings: Findings,
): Connection | null {
  const scratch = readScratch(flag, sources, findings);
  if (scratch !== null && scratchImage !== null)
    findings.faults.push(
      "--scratch-url and --scratch-image both name the scratch server (or their variables do): take one",
    );
  return scratch;
}

/** The table's values as settings have them; the flags that only decide how others are read are done with. */
function settle(values: Values) {
  const { stamp, drift, ahead, unverified, assume, allowOutOfOrder, resume, ...others } = values;
  const { check: bakeCheck, checkOnly: _command, scratchUrl: _scratch, ...rest } = others;
  const policy = { stamp, drift, ahead, unverified, assume, allowOutOfOrder, resume };
  return { ...rest, policy, bakeCheck };
}

function readFileVariables(
  command: CommandLine,
  flags: ReadonlyMap<Flag, string>,
  sources: Sources,
  findings: Findings,
): Readonly<Record<string, string>> {
  if (!command.flags.includes("env-file")) return {};
  const file = readValue("env-file", flags, sources.env, findings);
  return file === null ? {} : readEnvFile(file, nameOf("env-file", flags), sources, findings);
}

/** What is there is replaced: a device or a directory must not be. */
function readMetricsFile(
  file: string | null,
  flags: ReadonlyMap<Flag, string>,
  { statFile }: Sources,
  findings: Findings,
): string | null {
  if (file === null || (!file.endsWith("/") && statFile(file)?.isFile !== false)) return file;
  findings.faults.push(
    `${nameOf("metrics-file", flags)} must name a file; a directory or a device is none`,
  );
  return null;
}

function checkTool(
  name: string | null,
  flags: ReadonlyMap<Flag, string>,
  toolNames: readonly string[],
  { faults }: Findings,
): void {
  if (name === null || toolNames.includes(name)) return;
  faults.push(`${nameOf("tool", flags)} must be ${alternatives(toolNames.toSorted())}`);
}

/** Only what the command accepts is read from flags and environment; the rest has its default. */
function readValues(
  command: CommandLine,
  flags: ReadonlyMap<Flag, string>,
  env: Sources["env"],
  findings: Findings,
): Values {
  const entries = (Object.keys(settingsTable) as Flag[]).map((flag) => {
    const accepted = command.flags.includes(flag);
    const value = accepted ? readValue(flag, flags, env, findings) : readDefault(flag);
    return [camelCase(flag), value] as const;
  });
  // Each row's own schema made its value: the table's type says which.
  return Object.fromEntries(entries) as Values;
}

/** A wrong value is a fault, and its default stands in so that the other settings are still judged. */
function readValue<F extends Flag>(
  flag: F,
  flags: ReadonlyMap<Flag, string>,
  env: Sources["env"],
  findings: Findings,
): Value<F> {
  const { schema, variable }: SettingRow = settingsTable[flag];
  const text = flags.get(flag) ?? env[variable] ?? "";
  if (text === "") return readDefault(flag);
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data as Value<F>;
  const name = nameOf(flag, flags);
  findings.faults.push(...parsed.error.issues.map(({ message }) => `${name} ${message}`));
  return readDefault(flag);
}

/** Where it was said. */
function nameOf(flag: Flag, flags: ReadonlyMap<Flag, string>): string {
  return flags.has(flag) ? `--${flag}` : settingsTable[flag].variable;
}

function readDefault<F extends Flag>(flag: F): Value<F> {
  const row: SettingRow = settingsTable[flag];
  return (row.default === undefined ? null : row.schema.parse(row.default)) as Value<F>;
}

function camelCase(flag: Flag): string {
  return flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** Other programs give DEBUG other meanings (`DEBUG=app:*`), so only a plain yes counts. */
function isDebug(env: Sources["env"]): boolean {
  return ["true", "1"].includes((env["DEBUG"] ?? "").toLowerCase());
}

/**
 * A warning for every `PREFLIGHT_…` variable that nothing reads. Not a fault: Kubernetes injects
 * `PREFLIGHT_SERVICE_HOST` and its like beside a service of that name, and those are passed over in silence.
 */
function describeUnknownVariables(env: Sources["env"]): readonly string[] {
  return Object.keys(env)
    .filter(
      (name) =>
        name.startsWith("PREFLIGHT_") && !knownVariables.includes(name) && !isInjected(name),
    )
    .toSorted()
    .map((name) => {
      const meant = nearest(name, knownVariables);
      return `${name} is no setting of preflight${meant === null ? "" : `; did you mean ${meant}?`}`;
    });
}

const knownVariables: readonly string[] = [
  ...Object.values(settingsTable).map(({ variable }) => variable),
  "PREFLIGHT_SCRATCH_URL_FILE",
  "PREFLIGHT_DATABASE_URL",
  "PREFLIGHT_DATABASE_URL_FILE",
  passwordCommandVariable,
  `${passwordCommandVariable}_FILE`,
];

function isInjected(name: string): boolean {
  return /_SERVICE_(HOST|PORT)(_|$)|_PORT($|_\d)/.test(name);
}
