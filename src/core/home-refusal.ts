import type { Place } from "./elsewhere.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Home, Observation, Server } from "./observation.ts";
import { refuse } from "./refusal.ts";
import type { Verdict } from "./verdict.ts";
import { sayAssume } from "./ways-out.ts";
import { nameHeads, namePlaces } from "./words.ts";
import type { Refusal, Step } from "./step.ts";

type Of<Kind extends Verdict["kind"]> = Extract<Verdict, { readonly kind: Kind }>;

/** Nothing of the history is at home, and some of it is elsewhere: the other homes are named before this one. */
export function homeInDoubt({ why }: Of<"unknown">, { home }: Observation): Refusal {
  return refuse("unproven", why, [
    `if this database is new to it and it shall live in ${home.schema}: --schema ${home.schema}`,
  ]);
}

/** What the rows promise is not at home, and may be somewhere else. */
export function elsewhere(
  verdict: Of<"mismatched"> | Of<"missing-file">,
  { home }: Observation,
): Refusal {
  const claimed = verdict.kind === "mismatched" ? verdict.claimed : verdict.recorded;
  const proven = verdict.identified.kind === "proven" ? verdict.identified.heads : [];
  return refuse(
    "unproven",
    `the version rows say ${nameHeads(claimed)}, schema ${home.schema} holds exactly what ${nameHeads(proven)} makes, but ${namePlaces(verdict.elsewhere)}: what is missing here may be there`,
    [`if schema ${home.schema} is right: ${sayAssume(proven)}`],
  );
}

/** Another home is named first: it is likelier that the search_path is wrong than that a database lost its tables. */
export function withOtherHomes(refusal: Refusal, places: readonly Place[]): Refusal {
  const ways = places.map(
    ({ schema }) => `if the application's tables are those in schema ${schema}: --schema ${schema}`,
  );
  return { ...refusal, next: [...ways, ...refusal.next] };
}

/** Where the upgrade would make its objects beside the others. Null: nothing speaks against it. */
export function ofHome(
  { history, ledger, isBoundElsewhere, programsPath }: Knowledge,
  { home, role, server }: Observation,
  steps: readonly Step[],
): Refusal | null {
  const isMoved = ledger === null || ledger.inHome.some(Boolean);
  if (!steps.some(({ kind }) => kind === "upgrade") || !isMoved) return null;
  if (home.by === "table")
    return refuse(
      "unproven",
      `the version table is in schema ${home.schema}, and the search_path (${server.searchPath.join(", ")}) puts ${home.createsIn} first: what a migration creates would go there, beside the tables that it belongs to`,
      [
        `put ${home.schema} first: ALTER ROLE … SET search_path = ${home.schema}`,
        `or say that it lives in ${home.createsIn}: --schema ${home.createsIn}`,
      ],
    );
  // The tool's own program goes by its session's path, which no setting of ours changes.
  const goesByPath =
    ledger?.home.kind !== "program" &&
    programsPath.length === 0 &&
    history.tool.appliedBy === "program";
  const { createsIn } = home.program ?? home;
  if (home.by === "setting" && goesByPath && createsIn !== home.schema)
    return refuse(
      "config",
      `--schema says ${home.schema}, and the search_path of ${whosePath(home, role.name, server)} puts ${createsIn ?? "nothing"} first: the upgrade would make its objects there`,
      [
        `put it first for the role that upgrades: ALTER ROLE … SET search_path = ${home.schema}`,
        `or in its address: ?options=-csearch_path%3D${encodeURIComponent(home.schema)}`,
      ],
    );
  if (isBoundElsewhere)
    return refuse(
      "config",
      `these migrations work only where public is the first schema of the search_path, as the bake found out, and here it is ${home.schema}`,
      ["put public first for the role that upgrades: ALTER ROLE … SET search_path = public"],
    );
  return null;
}

function whosePath({ program }: Home, role: string, { searchPath }: Server): string {
  return program === null
    ? `role ${role} (${searchPath.join(", ") || "empty"})`
    : `role ${program.role} (${program.source})`;
}
