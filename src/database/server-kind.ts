import { ConnectionFault } from "./errors.ts";

const oldestMajor = 13;

/** Servers that speak PostgreSQL's protocol, and whose catalog or locks are not PostgreSQL's. */
const others =
  /CockroachDB|Redshift|Greenplum|-YB-|Materialize|materialized|CrateDB|openGauss|QuestDB|RisingWave/;

/**
 * @param version what `version()` says, such as "PostgreSQL 18.4 on x86_64-…"
 * @throws ConnectionFault NOT_SUPPORTED
 */
export function refuseOtherServers(version: string): void {
  const [, major] = /^(?:PostgreSQL|EnterpriseDB) (\d+)/.exec(version) ?? [];
  const name = version.split(/ on |, compiled/)[0] ?? version;
  if (major === undefined || others.test(version))
    throw new ConnectionFault(
      "NOT_SUPPORTED",
      `it says that it is ${JSON.stringify(version.slice(0, 120))}`,
    );
  if (Number(major) < oldestMajor)
    throw new ConnectionFault("NOT_SUPPORTED", `${name} is older than PostgreSQL ${oldestMajor}`);
}
