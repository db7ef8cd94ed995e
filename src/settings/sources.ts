import { systemCode } from "../core/outcome.ts";

/** What reading the settings finds on the way; never a value of a setting. */
export type Findings = {
  readonly faults: string[];
  readonly warnings: string[];
  /** How something was understood that nobody needs to mend. */
  readonly notes: string[];
};

export function noFindings(): Findings {
  return { faults: [], warnings: [], notes: [] };
}

/** The world that settings are read from. */
export type Sources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a relative path begins. */
  readonly cwd?: string;
  /** The text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
  /** Null: there is nothing of that name, or it cannot be seen. */
  readonly statFile: (path: string) => FileStatus | null;
  /** The name of the operating system's user: libpq's default user; null where it has none. */
  readonly osUser: string | null;
  /** Where the operating system has this user's home, which `HOME` replaces; null where it has none. */
  readonly osHome: string | null;
};

export type FileStatus = {
  readonly isFile: boolean;
  /** Who may access it: nine bits. */
  readonly mode: number;
  /** Who owns it, as a number. */
  readonly owner: number;
};

/** As libpq finds it (`pqGetHomeDirectory`). */
export function homeOf({ env, osHome }: Sources): string | null {
  const home = env["HOME"] ?? "";
  return home === "" ? osHome : home;
}

/** The same world, in which each file is read once: a pipe can be, and what was checked is what is used. */
export function readingOnce(sources: Sources): Sources {
  const texts = new Map<string, string>();
  return {
    ...sources,
    readFile: (path) => {
      const text = texts.get(path) ?? sources.readFile(path);
      texts.set(path, text);
      return text;
    },
  };
}

/** Set means not empty: an empty variable counts as absent, as does `NAME_FILE`. */
export function isSet(env: Sources["env"], name: string): boolean {
  return hasText(env[name]) || hasText(env[`${name}_FILE`]);
}

/**
 * The text of `NAME`, or of the file that `NAME_FILE` names, without a byte order mark and trailing line
 * breaks. Null when it is not set, or when it cannot be used and the findings say why.
 */
export function readVariable(name: string, sources: Sources, findings: Findings): string | null {
  const { env, readFile } = sources;
  const text = env[name] ?? "";
  const path = env[`${name}_FILE`] ?? "";
  if (text !== "" && path !== "") {
    findings.faults.push(`${name} and ${name}_FILE are both set: which one counts is not clear`);
    return null;
  }
  if (text !== "") return text;
  if (path === "") return null;
  const secret = readSecretFile(path, readFile);
  if (secret.kind === "text") return secret.text;
  findings.faults.push(`${name}_FILE names a file that ${secret.why}`);
  return null;
}

/** Longer files are no secrets but a mistake, such as a path to a dump or to a device. */
const longestSecret = 64 * 1024;

function readSecretFile(
  path: string,
  readFile: Sources["readFile"],
): { kind: "text"; text: string } | { kind: "fault"; why: string } {
  let raw: string;
  try {
    raw = readFile(path);
  } catch (error) {
    // The path is not repeated: people put the secret itself there.
    const code = systemCode(error);
    return { kind: "fault", why: `cannot be read${/^E[A-Z]+$/.test(code) ? ` (${code})` : ""}` };
  }
  if (raw.length > longestSecret) return { kind: "fault", why: "is longer than 64 KiB" };
  const text = bareText(raw);
  if (text === "") return { kind: "fault", why: "is empty" };
  if (text.includes("\0")) return { kind: "fault", why: "holds a NUL byte" };
  // What a decoder puts in the place of bytes that it cannot read.
  if (text.includes("\uFFFD")) return { kind: "fault", why: "is not UTF-8" };
  return { kind: "text", text };
}

/** Without a byte order mark and trailing line breaks. */
export function bareText(raw: string): string {
  return raw.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
}

/** What a text stands for in which a backslash goes before a sign that is meant: `\:`, `\'`, `\\`. */
export function withoutBackslashes(text: string): string {
  return text.replace(/\\(.)/gs, "$1");
}

function hasText(value: string | undefined): boolean {
  return value !== undefined && value !== "";
}
