import type { Observation } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Image } from "./image.ts";
import { scopeOf } from "./judge.ts";
import { versionTableOf } from "./version-table.ts";

/**
 * What an upgrade will need and the role has not, found before anything is done, without side effects.
 * @throws CannotJudge `permission`, or `unavailable` for a role that may only read
 */
export function refuseWithoutRights(observation: Observation, image: Image): void {
  const { server, role, versionTable } = observation;
  if (server.readOnly)
    throw new CannotJudge(
      "unavailable",
      `the database must be changed, and transactions of role ${role.name} are read-only here`,
      [
        "connect as another role, or without default_transaction_read_only (ALTER ROLE … or ALTER DATABASE … has set it)",
      ],
    );
  const { schema, name } = versionTableOf(observation, image);
  if (versionTable !== null && !versionTable.canWrite)
    throw new CannotJudge(
      "permission",
      `role ${role.name} may not write the version table ${schema}.${name}`,
      [`GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.${name} TO ${role.name}`],
    );
  // A history may work in other schemas than its version table's. Without a ledger, the usual is assumed.
  const isAllAtHome = scopeOf(image.knowledge)?.every((each) => each === schema) ?? true;
  if (!role.canCreate && (versionTable === null || isAllAtHome))
    throw new CannotJudge(
      "permission",
      `role ${role.name} may not create tables in schema ${schema}, which an upgrade needs`,
      [
        `GRANT CREATE ON SCHEMA ${schema} TO ${role.name} (since PostgreSQL 15 not everybody has it)`,
        "or let a role that has it run preflight, and let this application only `preflight check`",
      ],
    );
}
