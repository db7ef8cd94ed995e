import { libpqParameters } from "./connection-parameters.ts";
import { isForeign } from "./foreign-parameters.ts";

/** libpq's keywords and their values, as `PQconninfoParse` would give them; or what is wrong. */
export type UrlReading =
  | {
      readonly kind: "parameters";
      readonly scheme: string;
      readonly parameters: ReadonlyMap<string, string>;
      /** Those that libpq does not know. */
      readonly others: ReadonlyMap<string, string>;
    }
  | { readonly kind: "faults"; readonly faults: readonly string[] };

/**
 * Read a connection URL as libpq does (`conninfo_uri_parse`), and refuse one that libpq, SQLAlchemy and
 * other readers take apart differently. Faults continue the name of the setting, and repeat no value.
 */
export function parseConnectionUrl(url: string): UrlReading {
  const [, scheme = null, rest = ""] =
    /^(?:jdbc:)?(postgres(?:ql)?(?:\+[a-z]\w*)?):\/\/(.*)$/s.exec(url) ?? [];
  if (scheme === null)
    return faulty(["must begin with postgresql:// or postgres:// (or postgresql+driver://)"]);
  const ambiguities = findAmbiguities(rest);
  if (ambiguities.length > 0) return faulty(ambiguities);

  const [, userinfo, authority = "", path, query] =
    /^(?:([^@]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? [];
  const [user, password] = (userinfo ?? "").split(":");
  const hosts = parseHosts(authority, scheme);
  const parts = parseQuery(query ?? "");
  const isOnePortForAll =
    parts.pairs.get("host")?.includes(",") === true && !parts.pairs.has("port");
  const faults = [
    ...hosts.faults,
    ...parts.faults,
    // libpq takes it for each of them, SQLAlchemy for none.
    ...(isOnePortForAll && hosts.port !== "" ? [unclearPorts] : []),
  ];
  if (faults.length > 0) return faulty(faults);

  const parameters = new Map<string, string>();
  const put = (keyword: string, value: string | undefined) => {
    if (value !== undefined && value !== "") parameters.set(keyword, value);
  };
  put("user", decodeURIComponent(user ?? ""));
  put("password", decodeURIComponent(password ?? ""));
  put("host", hosts.host);
  put("port", hosts.port);
  put("dbname", decodeURIComponent(path ?? ""));
  const others = new Map<string, string>();
  for (const [keyword, value] of parts.pairs)
    if (isLibpqs(keyword)) put(keyword, value);
    else others.set(keyword, value);
  return { kind: "parameters", scheme, parameters, others };
}

/**
 * Where readers differ. libpq ends the user's part at the first `@`, SQLAlchemy at the first or the last by
 * version, and readers built on URL libraries end it at `/`, `?` or `#` too; libpq refuses a `%` that
 * SQLAlchemy keeps; white space is cut off by one and kept by another.
 */
function findAmbiguities(rest: string): readonly string[] {
  const before = rest.slice(0, Math.max(0, rest.lastIndexOf("@")));
  const colons = before.split(":").length - 1;
  const signs = {
    "@": /[@/?]/.test(before),
    "/": before.includes("/"),
    "?": before.includes("?"),
    "#": rest.includes("#"),
    ":": colons > 1,
    "%": /%(?![0-9A-Fa-f]{2})/.test(rest),
  };
  const faults = Object.entries(signs).flatMap(([sign, isRaw]) => {
    if (!isRaw) return [];
    const code = encodeURIComponent(sign);
    return `holds a "${sign}" that programs read in different ways: where it is part of a name or a password, write ${code}`;
  });
  // oxlint-disable-next-line no-control-regex
  if (/[\s\u0000-\u001f\u007f]/.test(rest)) {
    faults.push("holds white space or a line break: write a space as %20");
  }
  if (rest.includes("%00")) faults.push("holds %00, which no PostgreSQL name or password can");
  if (signs["%"] || isDecodable(rest)) return faults;
  return [...faults, "holds percent-encoded bytes that are not UTF-8"];
}

const unclearPorts =
  "names several hosts, which programs read in different ways: give each one its port";

/**
 * `host[:port]`, comma-separated; the ports keep their places, empty where none is given, as in libpq.
 * SQLAlchemy takes a port behind the last of several hosts for the port of all, mistakes a list that begins with a
 * bracketed address, and does not decode a host: which is no harm where what it sees instead is the name of no host.
 */
function parseHosts(
  authority: string,
  scheme: string,
): { readonly host: string; readonly port: string; readonly faults: readonly string[] } {
  const all = authority.split(",").map((text) => {
    const [, literal, name, port = ""] =
      /^(?:\[([^[\]]*:[^[\]]*)\]|([^[\]:]*))(?::([^:]*))?$/.exec(text) ?? [];
    const host = literal ?? name;
    return host === undefined
      ? null
      : { text, host: decodeURIComponent(host), port: decodeURIComponent(port) };
  });
  const readable = all.filter((one) => one !== null);
  const comma = readable.some(({ host, port }) => /,/.test(host + port));
  const isEncoded = readable.some(
    ({ text, host }) => text.includes("%") && (scheme.includes("+") || !host.startsWith("/")),
  );
  const last = readable.length - 1;
  const onlyLastPort =
    last > 0 && readable.every(({ port }, index) => (port !== "") === (index === last));
  const faults: string[] = [];
  if (readable.length < all.length)
    faults.push("names a host in a form that is not host, host:port or [IPv6 address]:port");
  if (comma) faults.push("holds %2C in a host: separate hosts with plain commas");
  else if (isEncoded)
    faults.push(
      'holds a "%" in a host, which SQLAlchemy does not decode: name the host with ?host=',
    );
  if (onlyLastPort) faults.push(unclearPorts);
  if (last > 0 && authority.startsWith("["))
    faults.push(
      'begins a list of hosts with "[", which programs read in different ways: use ?host=…&port=…',
    );
  return {
    host: readable.map(({ host }) => host).join(","),
    port: readable.map(({ port }) => port).join(","),
    faults,
  };
}

function parseQuery(query: string): {
  readonly pairs: ReadonlyMap<string, string>;
  readonly faults: readonly string[];
} {
  const pairs = new Map<string, string>();
  const faults: string[] = [];
  const parts = query === "" ? [] : query.replace(/&$/, "").split("&");
  for (const [index, part] of parts.entries()) {
    const [key = "", value, ...more] = part.split("=");
    const keyword = decodeURIComponent(key);
    if (value === undefined || more.length > 0) {
      faults.push(
        `must write each parameter as name=value, with %3D for a further =: number ${index + 1} is not`,
      );
    } else if (pairs.has(keyword)) {
      faults.push(
        `gives parameter ${index + 1} a second time: several hosts are separated by commas`,
      );
    } else if (value === "") {
      // libpq takes it for the value, SQLAlchemy passes it over.
      faults.push(`gives parameter ${index + 1} no value: leave it out`);
    } else if (part.includes("+")) {
      // libpq keeps it, SQLAlchemy and other readers of query strings make it a space.
      faults.push(`holds a "+" in parameter ${index + 1}: write %2B for a plus or %20 for a space`);
    } else if (!isLibpqs(keyword) && !isForeign(keyword) && !isPlain(keyword, query)) {
      faults.push(`has a parameter that libpq does not know: number ${index + 1}`);
    } else pairs.set(keyword, decodeURIComponent(value));
  }
  return { pairs, faults };
}

/** `ssl` is asyncpg's word for sslmode, and JDBC's; libpq reads that, too. */
function isLibpqs(keyword: string): boolean {
  return keyword === "ssl" || Object.hasOwn(libpqParameters, keyword);
}

/** A raw "&" in a password makes the rest of it look like a keyword, which is then not repeated. */
function isPlain(keyword: string, query: string): boolean {
  return /^[A-Za-z][\w-]{0,40}(?:\[\w+\])?$/.test(keyword) && !/password|secret/i.test(query);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function faulty(faults: readonly string[]): UrlReading {
  return { kind: "faults", faults };
}
