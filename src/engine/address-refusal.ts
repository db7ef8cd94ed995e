import { CannotJudge } from "../core/outcome.ts";
import type { TableName } from "../core/version-table.ts";
import type { Database } from "../database/database.ts";
import { describePlace } from "../settings/place.ts";
import type { Settings } from "../settings/settings.ts";
import type { ChildEnd } from "../tools/child.ts";
import type { Sight } from "./arrival.ts";
import type { Ending } from "./run-record.ts";
import type { Told } from "./program.ts";

const whereAddressesStand =
  "in env.py, in sqlalchemy.url of alembic.ini, or in the variables that these read";

/** The program that was asked came to its end, and was not seen where it should have been. */
export function elsewhere(
  spelled: string,
  { place, isInDatabase }: Extract<Sight, { readonly kind: "unseen" }>,
  { schema, name }: TableName,
  settings: Settings,
  { place: judgedPlace }: Database,
): CannotJudge {
  const { database, programAddress, upgradeCommand } = settings;
  const source = database?.source ?? "the address";
  const judged = `${judgedPlace}, database ${database?.database} (${source})`;
  const where = place === null ? "" : describePlace(place);
  if (isInDatabase)
    return new CannotJudge(
      "config",
      `the upgrade works on another version table than the one that was judged, ${schema}.${name} at ${judged}: ${spelled} comes to that database${where === "" ? "" : ` (it says: ${where})`}, and does not read the table. Nothing has run`,
      [
        "let both have the same search_path (the program's is the role's, or in its address or env.py)",
        "or name the table that the program uses: --version-table SCHEMA.NAME",
      ],
    );
  const variables =
    programAddress === null || describePlace(programAddress.place) === where
      ? ""
      : `; ${programAddress.source}: ${describePlace(programAddress.place)}`;
  return new CannotJudge(
    "config",
    `the upgrade works on another database than the one that was judged, ${judged}: ${spelled} did not arrive there, ${where === "" ? "and does not say where it did" : `and says that it works on ${where}`}${variables}. Nothing has run`,
    [
      `let both use the same database: the program's address is ${whereAddressesStand}`,
      `or correct ${source}, if the other one is meant`,
      ...(upgradeCommand === null
        ? []
        : [
            "or spell --upgrade-command as … alembic … upgrade …, so that the same way can be asked where it leads",
          ]),
    ],
  );
}

/** As drivers name it, and as SQLSTATEs: no such database, no such role, or a wrong password. */
const refusedLogin: ReadonlySet<string> = new Set([
  "InvalidCatalogName",
  "InvalidPassword",
  "InvalidAuthorizationSpecification",
  "3D000",
  "28P01",
  "28000",
]);

/** The program that was asked has failed: so would the upgrade. */
export function failedToSay(spelled: string, { end, complaint, passing, error }: Told): Ending {
  const reason = `${spelled}, which is asked where the upgrade works, ${describeEnd(end)}${complaint === null ? "" : `: ${complaint}`}`;
  const nothing = "nothing has run, and nothing was stamped because of this failure";
  if (passing !== null)
    return {
      outcome: "temporary",
      reason: `${reason}; ${passing}`,
      next: ["run it again when the server has room, or what was in the way has ended", nothing],
    };
  if (error?.kind === "connection" || refusedLogin.has(error?.name ?? ""))
    return {
      outcome: "config",
      reason,
      next: [
        `the program's own address leads to no database: it is ${whereAddressesStand}`,
        nothing,
      ],
    };
  return {
    outcome: "migration-failed",
    reason,
    next: ["the lines above are the program's own; mend their cause and start again", nothing],
  };
}

export function describeEnd(end: ChildEnd): string {
  switch (end.kind) {
    case "exited":
      return `exited with ${end.code}`;
    case "killed":
      return `was killed by ${end.signal}`;
    case "stopped":
      return "did not come to its end in two minutes and was stopped";
  }
}
