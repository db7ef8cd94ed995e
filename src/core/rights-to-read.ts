import * as grants from "./grants.ts";
import type { Observation } from "./observation.ts";
import { CannotJudge } from "./outcome.ts";

/** Rows that are there and were not shown would be taken for no rows. null: all is seen. */
export function lackOfReading(observation: Observation, wanted: string): CannotJudge | null {
  const { otherVersionTables, role, server } = observation;
  // A schema without USAGE is not on the effective search path: where none is left, its table looks like another's.
  const table =
    observation.versionTable ??
    (server.searchPath.length === 0
      ? otherVersionTables.find(({ name }) => name === wanted)
      : undefined);
  if (table?.unreadable !== "permission") return null;
  const name = `${table.schema}.${table.name}`;
  if (table.canRead)
    return new CannotJudge(
      "permission",
      `row security may hide rows of the version table ${name} from role ${role.name}`,
      [grants.letThroughRowSecurity(table, role.name, "reads")],
    );
  const canUse = role.schemas[table.schema]?.canUse ?? false;
  return new CannotJudge("permission", `role ${role.name} may not read the version table ${name}`, [
    ...(canUse ? [] : [grants.grantUse(table, role.name)]),
    grants.grantRead(table, role.name),
  ]);
}
