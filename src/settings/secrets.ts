import type { Connection } from "./connection.ts";
import type { Sources } from "./findings.ts";

/**
 * Every value that must never be printed, as far as the settings can see it: not only those of the chosen
 * address, since the upgrade's own output may show any other that stands in its environment.
 */
export function collectSecrets(
  { env, readFile }: Sources,
  connections: readonly (Connection | null)[],
  scratchFlag: string | null,
): readonly string[] {
  const urls = [
    ...urlVariables.flatMap((name) => readFileOf(name, env, readFile)),
    ...Object.values(env).filter((value) => value !== undefined),
    ...(scratchFlag === null ? [] : [scratchFlag]),
  ].filter((text) => passwordsIn(text).length > 0);
  const named = Object.entries(env)
    .filter(([name, value = ""]) => isSecretByName(name, value))
    .flatMap(([, value = ""]) => value);
  const secrets = [
    ...urls,
    ...urls.flatMap(passwordsIn),
    ...named,
    ...passwordVariables.flatMap((name) => readFileOf(name, env, readFile)),
    ...connections.flatMap((connection) => (connection === null ? [] : secretsOf(connection))),
  ];
  return [...new Set(secrets)].filter((secret) => secret.trim() !== "");
}

function secretsOf({ hosts, tls }: Connection): readonly string[] {
  return [...hosts.map(({ password }) => password), tls.client?.keyPassword].filter(
    (secret) => typeof secret === "string",
  );
}

const urlVariables = ["PREFLIGHT_DATABASE_URL", "DATABASE_URL", "PREFLIGHT_SCRATCH_URL"] as const;
const passwordVariables = ["POSTGRES_PASSWORD", "PGPASSWORD"] as const;

/** The text of the file that `NAME_FILE` names; nothing when there is none. */
function readFileOf(
  name: string,
  env: Sources["env"],
  readFile: Sources["readFile"],
): readonly string[] {
  const path = env[`${name}_FILE`] ?? "";
  if (path === "") return [];
  try {
    return [
      readFile(path)
        .replace(/^\uFEFF/, "")
        .replace(/[\r\n]+$/, ""),
    ];
  } catch {
    return [];
  }
}

/** Short values of other programs' variables (`API_TOKEN=none`) would only blot out words in our output. */
function isSecretByName(name: string, value: string): boolean {
  if (passwordVariables.some((known) => known === name)) return true;
  return /(PASSWORD|PASSWD|PASSPHRASE|_PASS|_SECRET|_TOKEN|_KEY)$/i.test(name) && value.length >= 8;
}

/**
 * The passwords of a URL, as written and decoded. One that readers take apart in different ways has several:
 * up to the first `@` and up to the last.
 */
function passwordsIn(text: string): readonly string[] {
  const found = [
    /:\/\/[^:@/?#]*:([^@]*)@/gs,
    /:\/\/[^:@/?#]*:(.*)@/gs,
    /[?&](?:password|sslpassword|oauth_client_secret|scram_client_key|scram_server_key)=([^&#\s]*)/g,
  ].flatMap((pattern) => [...text.matchAll(pattern)].map(([, part = ""]) => part));
  return [...new Set([...found, ...found.map(decodeLeniently)])].filter((part) => part !== "");
}

function decodeLeniently(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
