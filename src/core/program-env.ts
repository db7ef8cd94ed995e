import { type DatabaseAddress, databaseUrl } from "./database-address.ts";

/** A variable that the application's own program is to get, and of what its value is put together. */
export type MappedVariable = { readonly name: string; readonly pieces: readonly Piece[] };

type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "part"; readonly part: Part }
  /** The whole address, for a driver. */
  | { readonly kind: "url"; readonly scheme: string };

/** What may stand in braces, besides `url:SCHEME`. */
const parts = {
  host: ({ host }) => host,
  port: ({ port }) => String(port),
  user: ({ user }) => user,
  password: ({ password }) => password ?? "",
  database: ({ database }) => database,
  sslmode: ({ sslMode }) => sslMode ?? "prefer",
  url: (address) => databaseUrl(address, "postgresql"),
} as const satisfies Readonly<Record<string, (address: DatabaseAddress) => string>>;

type Part = keyof typeof parts;

/** `NAME=TEMPLATE`, several on lines of their own or between semicolons. Faults name the variable and repeat nothing of its value. */
export function parseProgramEnv(text: string): {
  readonly variables: readonly MappedVariable[];
  readonly faults: readonly string[];
} {
  const variables = new Map<string, MappedVariable>();
  const faults: string[] = [];
  for (const each of text.split(/[;\r\n]/)) {
    if (each.trim() === "") continue;
    const [, name, template] = /^\s*([A-Za-z_]\w*)\s*=(.*)$/s.exec(each) ?? [];
    if (name === undefined || template === undefined) {
      faults.push(
        `must be NAME=TEMPLATE, such as 'DB_HOST={host}': one is not, or its NAME is no name of a variable`,
      );
      continue;
    }
    const { pieces, fault } = parseTemplate(template.trim());
    if (fault !== null) faults.push(`${fault} in ${name}`);
    else if (isOurs(name)) faults.push(`sets ${name}, which is preflight's own`);
    else if (variables.has(name)) faults.push(`sets ${name} twice`);
    else variables.set(name, { name, pieces });
  }
  return { variables: [...variables.values()], faults };
}

/** By the name of its sessions a program is known, and by its options it is kept from long locks. */
function isOurs(name: string): boolean {
  return name.startsWith("PREFLIGHT_") || name === "PGAPPNAME" || name === "PGOPTIONS";
}

function parseTemplate(template: string): {
  readonly pieces: readonly Piece[];
  readonly fault: string | null;
} {
  const pieces: Piece[] = [];
  const tokens = template.match(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g) ?? [];
  for (const token of tokens) {
    const [, inside] = /^\{([^{}]*)\}$/.exec(token) ?? [];
    if (inside === undefined && /^[{}]$/.test(token))
      return {
        pieces,
        fault: `has a "${token}" of which the other is missing (a brace that is meant is written twice)`,
      };
    const piece = inside === undefined ? textOf(token) : placeholder(inside);
    if (piece === null) return { pieces, fault: describeUnknown(inside ?? "") };
    pieces.push(piece);
  }
  return { pieces, fault: null };
}

function textOf(token: string): Piece {
  return { kind: "text", text: token === "{{" || token === "}}" ? token.slice(1) : token };
}

function placeholder(inside: string): Piece | null {
  if (Object.hasOwn(parts, inside)) return { kind: "part", part: inside as Part };
  const [, scheme] = /^url:((?:postgres(?:ql)?|postgis|pgsql)(?:\+[a-z]\w*)?)$/.exec(inside) ?? [];
  return scheme === undefined ? null : { kind: "url", scheme };
}

/** Only a plain word is repeated: somebody may have put a password in braces. */
function describeUnknown(inside: string): string {
  const named = /^[a-z][a-z_]{0,20}$|^url:[a-z0-9+_]{0,30}$/i.test(inside)
    ? `{${inside}}`
    : "something in braces";
  const known = Object.keys(parts)
    .map((part) => `{${part}}`)
    .join(", ");
  return `has ${named}, and there are ${known} and {url:postgresql+DRIVER}`;
}

/** The variables, filled in. */
export function programVariables(
  mapped: readonly MappedVariable[],
  address: DatabaseAddress,
): Readonly<Record<string, string>> {
  const fill = (piece: Piece): string => {
    switch (piece.kind) {
      case "text":
        return piece.text;
      case "part":
        return parts[piece.part](address);
      case "url":
        return databaseUrl(address, piece.scheme);
    }
  };
  return Object.fromEntries(mapped.map(({ name, pieces }) => [name, pieces.map(fill).join("")]));
}

export function holdsPassword({ pieces }: MappedVariable): boolean {
  return pieces.some(
    (piece) =>
      piece.kind === "url" || (piece.kind === "part" && /^(?:password|url)$/.test(piece.part)),
  );
}

/** The schemes of the URLs that are put in. */
export function schemesOf(mapped: readonly MappedVariable[]): readonly string[] {
  const schemes = mapped.flatMap(({ pieces }) =>
    pieces.flatMap((piece) => {
      if (piece.kind === "url") return [piece.scheme];
      return piece.kind === "part" && piece.part === "url" ? ["postgresql"] : [];
    }),
  );
  return [...new Set(schemes)];
}

// What a program's variables seem to want

/** Behind a prefix: an address in parts. */
export const namesOfParts = {
  host: /^(.+?)_?(?:HOST|HOSTNAME|SERVER)$/,
  port: /^(.+?)_?PORT$/,
  user: /^(.+?)_?(?:USER|USERNAME)$/,
  password: /^(.+?)_?(?:PASS|PASSWORD|PASSWD|PWD)$/,
  database: /^(.+?)_?(?:NAME|DB|DBNAME|DATABASE)$/,
} as const;

const namesOfUrls = /(?:^|_)(?:DATABASE|DB|POSTGRES(?:QL)?|PG|SQLALCHEMY)\w*_(?:URL|URI|DSN)$/;

/**
 * The mapping that fits such names, as it can be typed; null: none of them looks like an address.
 * @param scheme of the URLs, as the program's files show it
 */
export function suggestMapping(names: readonly string[], scheme: string): string | null {
  const groups = Map.groupBy(
    names.flatMap((name) =>
      Object.entries(namesOfParts).flatMap(([part, pattern]) => {
        const prefix = pattern.exec(name)?.[1];
        return prefix === undefined ? [] : [{ name, part, prefix }];
      }),
    ),
    ({ prefix }) => prefix,
  );
  const inParts = [...groups.values()].flatMap((group) => {
    const has = (part: string): boolean => group.some((one) => one.part === part);
    // A mail server has a host and a user, too.
    const isDatabase =
      has("database") || /(?:DB|DATABASE|PG|POSTGRES(?:QL)?|SQL)$/.test(group[0]?.prefix ?? "");
    if (!has("host") || !isDatabase) return [];
    return group.map(({ name, part }) => `${name}={${part}}`);
  });
  const url = scheme === "postgresql" ? "{url}" : `{url:${scheme}}`;
  const inUrls = names.filter((name) => namesOfUrls.test(name)).map((name) => `${name}=${url}`);
  const all = [...inUrls, ...inParts];
  return all.length === 0 ? null : `--program-env '${all.join("; ")}'`;
}
