import type { Assumption } from "./assume.ts";
import type { HistoryFault } from "./history.ts";
import type { Refusal } from "./plan.ts";
import type { Finding, Leftover, Verdict } from "./verdict.ts";
import {
  describeChange,
  describeDifference,
  describeFault,
  enumerate,
  nameFact,
  nameHeads,
} from "./words.ts";

type Of<Kind extends Verdict["kind"]> = Extract<Verdict, { readonly kind: Kind }>;

const toCompare = "preflight check --verbose shows every difference";

export function drifted(verdict: Of<"drifted">): Refusal {
  const serious = verdict.differences.filter(({ tolerable }) => !tolerable);
  return refuse(
    "drift",
    `the version rows say ${nameHeads(verdict.heads)}, but the schema is not what that revision makes: ${enumerate(serious.map(describeDifference))}`,
    [
      "put the schema back to what the revision makes, then start again",
      "or start in spite of it: --drift warn; a new migration can then mend the schema for good",
      toCompare,
    ],
  );
}

export function partial(left: Leftover): Refusal {
  if (left.kind === "invalid-index") {
    const names = left.indexes.map(nameFact);
    return refuse(
      "partial",
      `an interrupted CREATE INDEX CONCURRENTLY has left an INVALID index: ${enumerate(names)}`,
      [
        ...left.indexes.map(
          ({ object, name }) =>
            `DROP INDEX CONCURRENTLY ${object.slice(0, object.indexOf(".") + 1)}${quoted(name)}; then start again`,
        ),
        "if its creation failed on duplicate rows, mend those first",
      ],
    );
  }
  const [done, undone] = [left.done.map(describeChange), left.undone.map(describeChange)];
  return refuse(
    "partial",
    `revision ${left.revision} stopped half-way. Done: ${enumerate(done)}. Not done: ${enumerate(undone)}`,
    [
      `undo by hand what is done of ${left.revision}, then start again: the upgrade runs it whole`,
      `or do by hand all that is not done, its data included, and record it: alembic stamp ${left.revision}`,
    ],
  );
}

export function unknown(verdict: Of<"unknown">): Refusal {
  return refuse("unproven", `this is not a database that this image can place: ${verdict.why}`, [
    "check the address: is this the application's database?",
    "is this image older than the database, or of another branch? then start the image that fits",
    "if it is the right one: --assume REVISION gives your word for a revision; it is checked against the tables",
  ]);
}

export function unproven(finding: Exclude<Finding, { readonly kind: "proven" }>): Refusal {
  switch (finding.kind) {
    case "ambiguous":
      return refuse(
        "unproven",
        `the schema is exactly what ${finding.candidates.map(nameHeads).join(" and ")} make; between them lies what leaves no trace in it, such as data: ${enumerate(finding.dataMigrations)}`,
        finding.candidates.map(
          (heads) => `if the database is at ${nameHeads(heads)}: ${sayAtHeads(heads)}`,
        ),
      );
    case "retired":
      return refuse(
        "unproven",
        `the schema is exactly what ${enumerate(finding.heads)} made, whose files are no longer in this image`,
        [
          "start an older image that still has these revisions and lets the database move on",
          "or, if a revision of this image is the same in effect: --assume REVISION",
        ],
      );
    case "nearest":
      return refuse(
        "unproven",
        `no revision makes exactly this schema. The nearest is ${nameHeads(finding.heads)}: ${enumerate(finding.differences.map(describeDifference))}`,
        [
          `bring the schema to what ${nameHeads(finding.heads)} makes, then start again`,
          `or, if that is what it is in effect: ${sayAtHeads(finding.heads)}`,
          toCompare,
        ],
      );
    case "sketched": {
      const { probably } = finding;
      const why =
        finding.why === "stale"
          ? "the ledger is older than the migration files"
          : "there is no ledger";
      const nearest =
        probably === null
          ? ""
          : `; by its tables and columns it is probably at ${probably}${
              finding.absent.length === 0 ? "" : ` (without ${enumerate(finding.absent)})`
            }`;
      return refuse("unproven", `${why}, so no revision can be proven${nearest}`, [
        "run `preflight bake` when the image is built and copy preflight.ledger.json into it",
        `or give your word for a revision: --assume ${probably ?? "REVISION"}`,
      ]);
    }
  }
}

export function dataMigrationBetween(verdict: Of<"mismatched">): Refusal {
  const proven = verdict.identified.kind === "proven" ? verdict.identified.heads : [];
  return refuse(
    "unproven",
    `the version rows say ${nameHeads(verdict.claimed)}, the schema is exactly that of ${nameHeads(proven)}; between them lie data migrations and the like, of which the schema cannot say whether they ran: ${enumerate(verdict.dataMigrations)}`,
    verdict.direction === "forwards"
      ? [
          `if they did run: ${sayStamp(proven)}, then start again`,
          `if they did not run: carry them out by hand first, then ${sayStamp(proven)}`,
        ]
      : [
          `if they did not run: ${sayStamp(proven)}, then start again: the upgrade runs them`,
          `if they did run: bring the schema to what ${nameHeads(verdict.claimed)} makes, then start again`,
        ],
  );
}

export function ahead(verdict: Of<"ahead">): Refusal {
  const rows = verdict.strangers.join(", ");
  return refuse(
    "ahead-incompatible",
    verdict.lacking.length === 0
      ? `the database is at ${rows}, which this image does not have: the image is older than the database, and --ahead refuse forbids to start`
      : `the database is at ${rows}, which this image does not have: the image is older than the database, and the schema lacks what it needs: ${enumerate(verdict.lacking.map(describeDifference))}`,
    [
      "start the image that brought the database to this revision, or a newer one",
      "or take the database back with that image's own downgrade before you roll back",
    ],
  );
}

export function brokenHistory(faults: readonly HistoryFault[]): Refusal {
  return refuse("broken-history", enumerate(faults.map(describeFault)), [
    "mend the migration files and build the image again; `preflight audit` shows every fault",
  ]);
}

export function stampNeeded(from: readonly string[], to: readonly string[]): Refusal {
  return refuse(
    "unproven",
    `the schema is proven to be at ${nameHeads(to)}, the version rows say ${nameHeads(from)}, and --stamp never forbids to correct them`,
    [sayStamp(to), "or run without --stamp never"],
  );
}

export function contradicted(
  assumption: Extract<Assumption, { readonly kind: "contradicted" }>,
  refused: Refusal,
): Refusal {
  return {
    ...refused,
    reason: `--assume ${assumption.revision} cannot be: it needs ${enumerate(assumption.absent)}, which ${assumption.absent.length === 1 ? "is" : "are"} not there. Without it: ${refused.reason}`,
  };
}

/** A command that is copied must name the index as PostgreSQL has it. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** A person's word names one revision; several heads are recorded with the tool itself. */
function sayAtHeads(heads: readonly string[]): string {
  return heads.length > 1
    ? `${sayStamp(heads)}, then start again`
    : `--assume ${heads[0] ?? "base"}`;
}

function sayStamp(heads: readonly string[]): string {
  return `alembic stamp --purge ${heads.join(" ") || "base"}`;
}

function refuse(outcome: Refusal["outcome"], reason: string, next: readonly string[]): Refusal {
  return { kind: "refuse", outcome, reason, next };
}
