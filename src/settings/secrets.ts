import type { Connection } from "./connection.ts";
import { bareText, type Sources, withoutBackslashes } from "./sources.ts";

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
  const named = Object.entries(env).flatMap(([name, value = ""]) =>
    isBrokenUrl(name, value) || isSecretByName(name, value) ? value : [],
  );
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

/**
 * Passwords that are a plain word, and the user's, the database's or the application's name in the same address: `shop:shop@db/shop`.
 * To blot out every `shop` would make a log unreadable, and tell the password.
 */
export function namesAmongSecrets(
  { env }: Pick<Sources, "env">,
  connections: readonly (Connection | null)[],
): readonly string[] {
  const chosen = connections.flatMap((connection) => {
    if (connection === null) return [];
    const { hosts, user, database, applicationName } = connection;
    const names = [user, database, applicationName];
    return hosts.flatMap(({ password }) => (names.includes(password) ? (password ?? []) : []));
  });
  const others = Object.values(env).flatMap((value = "") => {
    const [, user = "", password = "", database = ""] = plainUrl.exec(value) ?? [];
    return [user, database].includes(password) ? password : [];
  });
  return [...new Set([...chosen, ...others])].filter((name) => plainWord.test(name));
}

const plainUrl = /^[\w+]+:\/\/([^:@/?#]*):([^:@/?#]+)@[^@/?#]*(?:\/([^@/?#]*))?(?:\?[^@]*)?$/;

/** Nobody makes up one by chance. */
const plainWord = /^(?=.{1,16}$)[a-z]+(?:[_-][a-z]+)*\d{0,2}$/i;

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
    return [bareText(readFile(path))];
  } catch {
    return [];
  }
}

/** Short values of other programs' variables (`API_TOKEN=none`) would only blot out words in our output. */
function isSecretByName(name: string, value: string): boolean {
  if (passwordVariables.some((known) => known === name)) return true;
  return secretName.test(name) && !/^(?:OLD)?PWD$/.test(name) && value.length >= 8;
}

/** `…_KEY`, and what people put behind such a word: `SECRET_KEY_BASE`, `TOKEN_V2`, `CREDENTIALS_JSON`. */
const secretName =
  /(?:PASSWORD|PASSWD|PASSPHRASE|(?:^|_)(?:PASS|PWD|SECRET|TOKEN|CREDENTIALS?|API_?KEY|KEY))(?:_(?:BASE|CURRENT|PREVIOUS|PRIMARY|SECONDARY|OLD|NEW|JSON|PEM|BASE64|B64|V?\d+))*$/i;

/**
 * The passwords of a URL, as written and decoded. One that readers take apart in different ways has several:
 * up to the first `@` and up to the last.
 */
function passwordsIn(text: string): readonly string[] {
  // What follows the last @ is no password, and would be tried from every `://` on.
  const upToAt = text.slice(0, text.lastIndexOf("@") + 1);
  const inUrl = allOf(upToAt, [/:\/\/[^:@/?#]*:([^@]*)@/gs, /:\/\/[^:@/?#]*:(.*)@/gs]);
  const inParameters = allOf(text, [
    /[?&](?:password|sslpassword|oauth_client_secret|scram_client_key|scram_server_key)=([^&#\s]*)/g,
    // Of a DSN: quoted, or up to a blank or a semicolon.
    /(?:^|[\s;])(?:password|pwd)\s*=\s*'((?:[^'\\]|\\.)*)'/gi,
    /(?:^|[\s;])(?:password|pwd)\s*=\s*([^\s;']+)/gi,
  ]);
  const found = [...inUrl, ...inParameters];
  const spelled = [...found, ...found.map(decodeLeniently), ...found.map(withoutBackslashes)];
  return [...new Set([...spelled, ...inUrl.flatMap(piecesOf)])].filter((part) => part !== "");
}

function allOf(text: string, patterns: readonly RegExp[]): readonly string[] {
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, part = ""]) => part));
}

/**
 * Where readers take a password apart, their messages call its pieces hosts, ports or databases: libpq's
 * `could not translate host name`.
 */
function piecesOf(password: string): readonly string[] {
  return password.split(/[@:/?#]/).filter((piece) => piece.length >= 4 && piece !== password);
}

/**
 * `postgres:/user:secret@host`, `//user:secret@host`: too broken to be taken apart, so nobody can say what in it is the
 * password.
 */
function isBrokenUrl(name: string, value: string): boolean {
  return /(?:URL|URI|DSN)$/i.test(name) && !value.includes("://") && /:.*@/s.test(value);
}

function decodeLeniently(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
