import type { Assumption } from "./assume.ts";
import type { Difference } from "./difference.ts";
import { type Fact, holdsRows } from "./facts.ts";
import type { History, HistoryFault } from "./history.ts";
import type { Knowledge } from "./knowledge.ts";
import type { MigrationTool } from "./migration-tool.ts";
import type { PlanBasis, Refusal } from "./step.ts";
import type { Denial, Finding, Leftover, UnseenData, Verdict } from "./verdict.ts";
import { inEffect, sayAssume, sayAtHeads, sayStamp, underOtherVersions } from "./ways-out.ts";
import {
  describeChange,
  describeDifference,
  describeFault,
  describeUnseen,
  enumerate,
  nameFact,
  nameHeads,
} from "./words.ts";

type Of<Kind extends Verdict["kind"]> = Extract<Verdict, { readonly kind: Kind }>;

const toBake =
  "run `preflight bake` when the image is built and copy preflight.ledger.json into it";
const toCompare = "preflight check --verbose shows every difference";

export function drifted(verdict: Of<"drifted">, history: History): Refusal {
  const serious = verdict.differences.filter(({ tolerable }) => !tolerable);
  if (serious.every(({ kind }) => kind === "edited")) return edited(serious);
  return refuse(
    "drift",
    `the version rows say ${nameHeads(verdict.heads)}, but the schema is not what that revision makes: ${enumerate(serious.map(describeDifference))}`,
    [
      "put the schema back to what the revision makes, then start again",
      "or start in spite of it: --drift warn; a new migration can then mend the schema for good",
      ...madeFromEnvironment(serious, history),
      toCompare,
    ],
  );
}

/** What such a migration makes may be right here, and other than where it was baked. */
function madeFromEnvironment(
  differences: readonly Difference[],
  { revisions }: History,
): readonly string[] {
  const ids = [...new Set(differences.map(({ revision }) => revision))];
  const readers = ids.filter((id) => id !== null && revisions.get(id)?.readsEnvironment === true);
  return readers.length === 0
    ? []
    : [
        `or, if that is right here: ${enumerate(readers as readonly string[])} ${readers.length === 1 ? "reads" : "read"} the environment or settings, which may be why it differs; preflight bake --varies OBJECT allows for it`,
      ];
}

export function driftedFromWord(heads: readonly string[], serious: readonly Difference[]): Refusal {
  return refuse(
    "drift",
    `on your word (--assume) the database is at ${nameHeads(heads)}, but the schema is not what that revision makes: ${enumerate(serious.map(describeDifference))}`,
    [
      "put the schema to what the revision makes, then start again",
      "or start in spite of it: --drift warn besides; a new migration can then mend the schema for good",
      toCompare,
    ],
  );
}

/** Nothing else is wrong, as far as it was compared. */
function edited(files: readonly Difference[]): Refusal {
  return refuse("drift", enumerate(files.map(describeDifference)), [
    "put the file back to what was applied, and write what shall change into a new migration",
    "if only its comments changed: run `preflight bake`, which shows it for files that do nothing to rows",
    "or start in spite of it: --drift warn",
  ]);
}

export function partial(left: Leftover, tool: MigrationTool): Refusal {
  switch (left.kind) {
    case "invalid-index":
      return refuse(
        "partial",
        `an INVALID index is there, as an interrupted CREATE INDEX CONCURRENTLY leaves it: ${enumerate(left.indexes.map(nameFact))}`,
        [
          ...left.indexes.map((index) =>
            left.applied.includes(index)
              ? `${rebuildIndex(index)} (its revision was applied, and will not make it again)`
              : `${dropIndex(index)}; then start again`,
          ),
          "if its creation failed on duplicate rows, mend those first",
        ],
      );
    case "interrupted":
      return interrupted(left);
    case "begun":
      return refuse(
        "partial",
        `revision ${left.revision} does not commit all at once, and an earlier run may have begun it: no version row says that it ended, and what it did to rows no schema shows`,
        [
          `look at the data for what ${left.file} does`,
          "if none of it is there, or it may run twice: preflight run --resume (it runs from its beginning)",
          `or complete it by hand and record it: ${sayStamp(left.heads, tool)}, then start again`,
        ],
      );
    case "dirty":
      return refuse(
        "partial",
        `${left.table} is marked dirty at ${left.version}: a migration did not end`,
        [
          "finish or undo that migration by hand, then clear the mark with the tool that made it",
          `or empty ${left.table} and start again: the schema alone then says where the database stands`,
        ],
      );
    case "half-done": {
      const [done, undone] = [left.done.map(describeChange), left.undone.map(describeChange)];
      const undo = `undo by hand what is done of ${left.revision}, then start again: the upgrade runs it whole`;
      const complete = `do by hand all that is not done, its data included, and record it: ${sayStamp([left.revision], tool)}`;
      const mayHoldRows = left.done.some(({ kind, fact }) => kind === "adds" && holdsRows(fact));
      return refuse(
        "partial",
        `revision ${left.revision} stopped half-way. Done: ${enumerate(done)}. Not done: ${enumerate(undone)}`,
        mayHoldRows
          ? [complete, `or, if nobody needs what its tables and columns hold by now: ${undo}`]
          : [undo, `or ${complete}`],
      );
    }
  }
}

type Interrupted = Extract<Leftover, { readonly kind: "interrupted" }>;

/** Only the file that began can go on in its middle, and only where nothing that it would make is there by half. */
export function canResume(
  left: Leftover,
): left is Interrupted | Extract<Leftover, { readonly kind: "begun" }> {
  if (left.kind === "begun") return true;
  return left.kind === "interrupted" && !left.isEdited && left.indexes.length === 0;
}

function interrupted(left: Interrupted): Refusal {
  const { version, done, of, line, statement, state, error } = left.progress;
  const { others } = left;
  const besides =
    others.length === 0
      ? ""
      : `. Besides, ${enumerate(others)} did not end either: it is their turn afterwards`;
  const file = left.file ?? `version ${version}, which no file of this image has`;
  const place = `statement ${done + 1} of ${of} (line ${line}): ${statement}`;
  const how = {
    pending: `It had not begun ${place}`,
    started: `It was stopped in ${place}, and whether that took effect is not recorded`,
    failed: `It failed in ${place}: ${error ?? ""}`,
  }[state];
  const drops = left.indexes.map((index) => `${dropIndex(index)}: it was left INVALID`);
  const before =
    state === "started" && drops.length === 0
      ? ["look whether that statement took effect; if it did, undo it"]
      : state === "failed"
        ? ["mend the cause"]
        : [];
  return refuse(
    "partial",
    `${file} stopped half-way; it cannot run in one transaction. ${done === 0 ? "None" : done} of its ${of} statements ${done > 1 ? "are" : "is"} done. ${how}${besides}`,
    left.file === null || left.isEdited
      ? [
          ...drops,
          ...(left.file === null
            ? []
            : [
                `undo by hand what is done of it and forget it: DELETE FROM ${left.table} WHERE version = '${version}'; the file then runs from its beginning`,
              ]),
          left.file === null
            ? "start the image that has this file"
            : `or put ${file} back to what it was when it began: then it can go on from there (--resume); another text cannot`,
        ]
      : [
          ...drops,
          ...before,
          `${drops.length + before.length > 0 ? "then " : ""}go on from there: preflight run --resume`,
        ],
  );
}

export function outOfOrder(verdict: Of<"behind"> | Of<"drifted">): Refusal {
  const { skipped, heads } = verdict;
  return refuse(
    "unproven",
    `${enumerate(skipped)} ${skipped.length === 1 ? "is" : "are"} numbered below ${nameHeads(heads)}, which is applied, and ${skipped.length === 1 ? "is" : "are"} not: nobody has tried the files in this order`,
    [
      "give the file a number above the newest one and build the image again",
      "or, if it does not depend on the order: preflight run --allow-out-of-order",
    ],
  );
}

/** @param assumable for which a person's word would hold */
export function unknown(verdict: Of<"unknown">, assumable: readonly string[]): Refusal {
  const { unknownRows } = verdict;
  return refuse("unproven", `this is not a database that this image can place: ${verdict.why}`, [
    "check the address: is this the application's database?",
    "is this image older than the database, or of another branch? then start the image that fits",
    unknownRows.length === 0
      ? "if this history shall live beside what is there: --assume base; its migrations then run from the first one"
      : assumable.length === 0
        ? "if it is the right one: bring its tables back first; now no revision has all of its tables and columns here, so that no --assume would hold"
        : `if it is the right one: ${sayAssume(assumable)}, your word for a revision whose tables and columns are all here; it replaces what the rows say`,
  ]);
}

/** Under the version table's name stands something else. */
export function othersTable(verdict: Of<"unknown">): Refusal {
  return refuse("unproven", `this is not a database that this image can place: ${verdict.why}`, [
    "check the address: is this the application's database?",
    "if another application made that table: give this history's own another name, in the tool's configuration and with --version-table NAME",
    "--assume cannot help here: there is no table to record it in",
  ]);
}

/** @param besides why it would be refused even so; null: it would not */
export function unverified({ status, lacking }: Knowledge, besides: string | null): Refusal {
  const why =
    status === "absent"
      ? "there is no ledger"
      : `the ledger is stale: it lacks ${enumerate(lacking)}, or has them as they were before`;
  return refuse(
    "unproven",
    `${why}, and --unverified refuse forbids to start where the schema is not verified${besides === null ? "" : `. Besides: ${besides}`}`,
    [
      toBake,
      "or start without: --unverified start (PREFLIGHT_UNVERIFIED); then the version rows are believed",
    ],
  );
}

export function unproven(
  finding: Exclude<Finding, { readonly kind: "proven" }>,
  tool: MigrationTool,
  assumable: readonly string[],
): Refusal {
  switch (finding.kind) {
    case "ambiguous":
      return refuse(
        "unproven",
        `the schema is exactly what ${finding.candidates.map(nameHeads).join(" and ")} make${sayIndexes(finding)}; ${sayWhatIsBetween(finding)}`,
        [
          ...finding.candidates.map(
            (heads) => `if the database is at ${nameHeads(heads)}: ${sayAtHeads(heads, tool)}`,
          ),
          ...(finding.notCompared.some(({ kind }) => kind === "viewdef")
            ? ["or bake on a PostgreSQL of this server's major version, and it will be compared"]
            : []),
        ],
      );
    case "retired":
      return refuse(
        "unproven",
        `the schema is exactly what ${enumerate(finding.heads)} made, whose files are no longer in this image`,
        [
          "start an older image that still has these revisions and lets the database move on",
          ...(assumable.length === 0
            ? []
            : [
                `or, if a revision of this image is the same in effect: ${sayAssume(assumable)} (its tables and columns are all here)`,
              ]),
        ],
      );
    case "nearest":
      return refuse(
        "unproven",
        `no revision makes exactly this schema. The nearest is ${nameHeads(finding.heads)}: ${enumerate(finding.differences.map(describeDifference))}`,
        waysFromNearest(finding, tool, assumable),
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
        toBake,
        assumable.length === 0
          ? "no revision has all of its tables and columns here, so that no --assume would hold"
          : `or give your word for the revision that it is at: ${sayAssume(assumable)}`,
      ]);
    }
  }
}

/** Never first to do what would take rows along. */
function waysFromNearest(
  finding: Extract<Finding, { readonly kind: "nearest" }>,
  tool: MigrationTool,
  assumable: readonly string[],
): readonly string[] {
  const bring = `bring the schema to what ${nameHeads(finding.heads)} makes`;
  const words = inEffect(finding, tool, assumable);
  const [word, ...others] = words;
  const takesRows = finding.differences.some(
    ({ kind, fact }) => kind !== "missing" && holdsRows(fact),
  );
  return takesRows && word !== undefined
    ? [
        word.replace(/^or, /, ""),
        ...others,
        `or ${bring} (whatever table or column goes takes its rows along), then start again`,
        toCompare,
      ]
    : [`${bring}, then start again`, ...words, toCompare];
}

function sayIndexes({ indexes }: Extract<Finding, { readonly kind: "ambiguous" }>): string {
  if (indexes.length === 0) return "";
  return `, but for indexes, which come and go by hand and tell nothing (${enumerate(indexes.map(nameFact))})`;
}

function sayWhatIsBetween({
  dataMigrations,
  notCompared,
}: Extract<Finding, { readonly kind: "ambiguous" }>): string {
  return dataMigrations.length > 0
    ? `between them lies what leaves no trace in it, such as data: ${enumerate(dataMigrations)}`
    : `what tells them apart is not compared here: ${enumerate([...new Set(notCompared.map(nameFact))])}`;
}

export function dataMigrationBetween(
  verdict: Of<"mismatched"> | Of<"missing-file">,
  tool: MigrationTool,
): Refusal {
  const claimed = verdict.kind === "mismatched" ? verdict.claimed : verdict.recorded;
  const proven = verdict.identified.kind === "proven" ? verdict.identified.heads : [];
  const stamp = `${sayStamp(proven, tool)}, then start again`;
  const way =
    tool.words.stamp !== null && proven.length < 2
      ? `${sayAtHeads(proven, tool)}, or ${stamp}`
      : stamp;
  return refuse(
    "unproven",
    `the version rows say ${nameHeads(claimed)}, the schema is exactly that of ${nameHeads(proven)}; between them lie data migrations and the like, of which the schema cannot say whether they ran: ${enumerate(verdict.dataMigrations)}`,
    verdict.direction === "forwards"
      ? [
          `if they did run: ${way}`,
          `if they did not run: carry them out by hand first, then ${way}`,
        ]
      : [
          `if they did not run: ${way}: the upgrade runs them`,
          `if they did run: bring the schema to what ${nameHeads(claimed)} makes, then start again`,
        ],
  );
}

export function ahead(verdict: Of<"ahead">, tool: MigrationTool): Refusal {
  const rows = verdict.unknownRows.join(", ");
  const isNotRun = verdict.lacking.length === 0 && verdict.notRun.length > 0;
  return refuse(
    "ahead-incompatible",
    isNotRun
      ? `the database is at ${rows}, which this image does not have, and ${enumerate(verdict.notRun)} of this image ${verdict.notRun.length === 1 ? "has" : "have"} no row: ${verdict.notRun.length === 1 ? "it" : "they"} did not run here`
      : verdict.lacking.length === 0
        ? `the database is at ${rows}, which this image does not have: the image is older than the database, and --ahead refuse forbids to start`
        : `the database is at ${rows}, which this image does not have: the image is older than the database, and the schema lacks what it needs: ${enumerate(verdict.lacking.map(describeDifference))}`,
    [
      "start the image that brought the database to this revision, or a newer one",
      "or take the database back to what this image needs before you roll back",
      ...underOtherVersions(verdict, tool).map((way) => `or, ${way}`),
    ],
  );
}

export function brokenHistory(faults: readonly HistoryFault[]): Refusal {
  return refuse("broken-history", enumerate(faults.map(describeFault)), [
    "mend the migration files and build the image again; `preflight audit` shows every fault",
  ]);
}

/** Another tool's rows say that something did not run which a stamp would cover. */
export function deniedElsewhere(
  { table, dataMigrations }: Denial,
  proven: readonly string[],
  tool: MigrationTool,
): Refusal {
  const names = enumerate(dataMigrations);
  return refuse(
    "unproven",
    `the schema is exactly that of ${nameHeads(proven)}, but ${table} has no row for ${names}, of which the schema cannot say whether it ran`,
    [
      `if it did run: ${sayAtHeads(proven, tool)}`,
      `if it did not run: carry it out by hand first, then ${sayAtHeads(proven, tool)}`,
    ],
  );
}

/** The tables are there, and perhaps not the rows that migrations put into them. */
export function dataUnseen(
  unseen: readonly UnseenData[],
  proven: readonly string[],
  { knowledge, observation }: Pick<PlanBasis, "knowledge" | "observation">,
): Refusal {
  const assumed = sayAtHeads(proven, knowledge.history.tool);
  const files = [...new Set(unseen.map(({ file }) => file))];
  const lacks = unseen.flatMap((each) => each.lacks);
  const unreadable = lacks.filter(({ kind }) => kind === "unreadable");
  const canShow = unseen.every((each) => each.lacks.some(({ kind }) => kind === "absent"));
  return refuse(
    "unproven",
    `the schema is exactly that of ${nameHeads(proven)}, but there are no version rows, and nothing shows that these data migrations ran: ${enumerate(unseen.map(describeUnseen))}`,
    [
      ...(unreadable.length === 0
        ? []
        : [
            `let role ${observation.role.name} read ${[...new Set(unreadable.map(({ table }) => table))].join(", ")}, past row security where there is any, and start again`,
          ]),
      `if they ran, or their rows were deleted on purpose: ${assumed}`,
      `if they did not run: run what ${enumerate(files)} ${files.length === 1 ? "does" : "do"} to rows first, then ${canShow ? "start again" : assumed}`,
    ],
  );
}

export function stampNeeded(
  from: readonly string[],
  to: readonly string[],
  because: "proven" | "assumed",
  tool: MigrationTool,
): Refusal {
  const isProven = because === "proven";
  const at = isProven
    ? `the schema is proven to be at ${nameHeads(to)}`
    : `the database is at ${nameHeads(to)} on your word (--assume)`;
  return refuse(
    "unproven",
    `${at}, the version rows say ${nameHeads(from)}, and --stamp never forbids to correct them`,
    [
      ...(tool.words.stamp === null ? [] : [sayStamp(to, tool)]),
      `run without --stamp never: it then records ${isProven ? "what the schema proves" : "your word"}`,
    ],
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

/** PostgreSQL refuses CONCURRENTLY for the index of a partitioned table, whose definition says ONLY. */
function dropIndex(index: Fact): string {
  return `DROP INDEX ${isOfPartitioned(index) ? "" : "CONCURRENTLY "}${indexName(index)}`;
}

/** The index of a partitioned table becomes valid with the last of its partitions' indexes. */
function rebuildIndex(index: Fact): string {
  return isOfPartitioned(index)
    ? `create the index on each partition that lacks it, then ALTER INDEX ${indexName(index)} ATTACH PARTITION …`
    : `REINDEX INDEX CONCURRENTLY ${indexName(index)}, or ${dropIndex(index)} and create it anew`;
}

function isOfPartitioned({ kind, definition }: Fact): boolean {
  return kind === "invalid" || / ON ONLY /.test(definition);
}

function indexName({ object, name }: Fact): string {
  return `${object.slice(0, object.indexOf(".") + 1)}${quoted(name)}`;
}

/** A command that is copied must name the index as PostgreSQL has it. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function refuse(
  outcome: Refusal["outcome"],
  reason: string,
  next: readonly string[],
): Refusal {
  return { kind: "refuse", outcome, reason, next };
}
