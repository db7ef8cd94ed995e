import { parseArguments } from "./arguments.ts";
import type { Connection } from "./connection.ts";
import { readDatabase, readScratch } from "./connection-source.ts";
import { type Findings, readingOnce, type Sources } from "./findings.ts";
import { readPasswordCommand } from "./password-command.ts";
import { readProgramAddress, readProgramConnection, warnOfAddress } from "./program-address.ts";
import { collectSecrets } from "./secrets.ts";
import { type Flag, type SettingRow, settingsTable, type Values } from "./settings-table.ts";
import type { CommandName, Settings, SettingsResult } from "./settings.ts";
import { describeUnknownVariables } from "./unknown-variables.ts";

/**
 * Flags and environment → settings, or every fault at once. flag > environment > default.
 * `argv` is without the program's own name, and `toolNames` are those that `--tool` takes.
 */
export function readSettings(
  argv: readonly string[],
  world: Sources,
  toolNames: readonly string[],
): SettingsResult {
  const line = parseArguments(argv);
  if (line.kind !== "arguments") return line;

  // Which settings count depends on the command: without one, only argv can be judged.
  if (line.command === null) {
    const { faults, exec } = line;
    const nothing = { command: null, metricsFile: null, enforce: true };
    return { kind: "faults", outcome: "usage", faults, exec, ...nothing };
  }

  const sources = readingOnce(world);
  const { env } = sources;
  const findings: Findings = { faults: [], warnings: [] };
  const usage = [...line.faults];
  const checkOnly = line.command === "run" && readValue("check-only", line.flags, env, findings);
  const command = checkOnly ? "check" : line.command;
  if (checkOnly && line.exec.length > 0) {
    usage.push("--check-only starts no command: leave out -- and what follows");
  }
  const name = command === "new" ? readName(line.name, usage) : null;
  const values = readValues(command, line.flags, env, findings);
  checkTool(values.tool, line.flags, toolNames, findings);
  const metricsFile = readMetricsFile(values["metrics-file"], line.flags, sources, findings);
  const needsDatabase = command === "run" || command === "check";
  const database = needsDatabase ? readDatabase(sources, findings) : null;
  const passwordCommand = needsDatabase ? readPasswordCommand(sources, findings) : null;
  const scratchFlag = line.flags.get("scratch-url") ?? null;
  const scratch =
    command === "bake" && !values.check ? readScratch(scratchFlag, sources, findings) : null;

  const faults = [...new Set([...usage, ...findings.faults])];
  if (faults.length > 0) {
    const outcome = usage.length > 0 ? "usage" : "config";
    const { enforce } = values;
    return { kind: "faults", outcome, faults, command, metricsFile, enforce, exec: line.exec };
  }
  const programAddress = database && readProgramAddress(database, sources);
  const programConnection = database && readProgramConnection(database, sources);
  const addressWarning = database && warnOfAddress(database, programAddress);
  return {
    kind: "settings",
    settings: {
      ...toSettings(command, values, database, scratch),
      programAddress,
      programConnection,
      passwordCommand,
      metricsFile,
      name,
      verbose: values.verbose || isDebug(env),
      exec: line.exec,
      warnings: [
        ...findings.warnings,
        ...describeUnknownVariables(env),
        ...(addressWarning === null ? [] : [addressWarning]),
      ],
      secrets: collectSecrets(sources, [database, programConnection, scratch], scratchFlag),
    },
  };
}

function toSettings(
  command: CommandName,
  values: Values,
  database: Connection | null,
  scratch: Connection | null,
): Omit<
  Settings,
  | "programAddress"
  | "programConnection"
  | "passwordCommand"
  | "metricsFile"
  | "name"
  | "verbose"
  | "exec"
  | "warnings"
  | "secrets"
> {
  return {
    command,
    database,
    migrations: values.migrations,
    tool: values.tool,
    versionTable: values["version-table"],
    schema: values.schema,
    ledger: values.ledger,
    policy: {
      stamp: values.stamp,
      drift: values.drift,
      ahead: values.ahead,
      unverified: values.unverified,
      assume: values.assume,
      allowOutOfOrder: values["allow-out-of-order"],
      resume: values.resume,
    },
    enforce: values.enforce,
    timeout: values.timeout,
    lockTimeout: values["lock-timeout"],
    upgradeTimeout: values["upgrade-timeout"],
    ddlLockTimeout: values["ddl-lock-timeout"],
    upgradeCommand: values["upgrade-command"],
    exitCode: values["exit-code"],
    bakeCheck: values.check,
    scratch,
    varies: values.varies,
    scratchInit: values["scratch-init"],
    scratchUnconfined: values["scratch-unconfined"],
    json: values.json,
  };
}

/** What is there is replaced: a device or a directory must not be. */
function readMetricsFile(
  file: string | null,
  flags: ReadonlyMap<Flag, string>,
  { statFile }: Sources,
  findings: Findings,
): string | null {
  if (file === null || (!file.endsWith("/") && statFile(file)?.isFile !== false)) return file;
  const name = flags.has("metrics-file") ? "--metrics-file" : "PREFLIGHT_METRICS_FILE";
  findings.faults.push(`${name} must name a file; a directory or a device is none`);
  return null;
}

/** A file's name has 255 bytes, of which the number and the extension need some. */
const longestName = 100;

/** `Add customer e-mail` → `add_customer_e_mail`. */
function readName(word: string | null, usage: string[]): string | null {
  if (word === null) {
    usage.push("preflight new needs a name: preflight new add_customer_email");
    return null;
  }
  const name = word
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
  const isPath = /[/\\]|^\.|\.sql$/i.test(word);
  if (isPath || name === "" || name.length > longestName) {
    usage.push(
      "the name of a migration must be a few words, and no path: preflight new add_customer_email",
    );
  }
  return name;
}

function checkTool(
  name: string | null,
  flags: ReadonlyMap<Flag, string>,
  toolNames: readonly string[],
  { faults }: Findings,
): void {
  if (name === null || toolNames.includes(name)) return;
  const known = toolNames.toSorted();
  const setting = flags.has("tool") ? "--tool" : settingsTable.tool.variable;
  faults.push(`${setting} must be ${known.slice(0, -1).join(", ")} or ${known.at(-1)}`);
}

/** Only what the command accepts is read from flags and environment; the rest has its default. */
function readValues(
  command: CommandName,
  flags: ReadonlyMap<Flag, string>,
  env: Sources["env"],
  findings: Findings,
): Values {
  const entries = (Object.keys(settingsTable) as Flag[]).map((flag) => {
    const { commands }: SettingRow = settingsTable[flag];
    const accepted = commands.includes(command);
    return [flag, accepted ? readValue(flag, flags, env, findings) : readDefault(flag)] as const;
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
): Values[F] {
  const { schema, variable }: SettingRow = settingsTable[flag];
  const fromFlag = flags.get(flag);
  const text = fromFlag ?? env[variable] ?? "";
  if (text === "") return readDefault(flag);
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data as Values[F];
  const name = fromFlag === undefined ? variable : `--${flag}`;
  findings.faults.push(...parsed.error.issues.map(({ message }) => `${name} ${message}`));
  return readDefault(flag);
}

function readDefault<F extends Flag>(flag: F): Values[F] {
  const row: SettingRow = settingsTable[flag];
  return (row.default === null ? null : row.schema.parse(row.default)) as Values[F];
}

/** Other programs give DEBUG other meanings (`DEBUG=app:*`), so only a plain yes counts. */
function isDebug(env: Sources["env"]): boolean {
  return ["true", "1"].includes((env["DEBUG"] ?? "").toLowerCase());
}
