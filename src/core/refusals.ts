import type { Assumption } from "./assume.ts";
import type { Difference } from "./difference.ts";
import type { Place } from "./elsewhere.ts";
import { holdsRows } from "./facts.ts";
import { gather } from "./gather.ts";
import type { History, HistoryFault } from "./history.ts";
import type { JournalEntry } from "./journal.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Home, Server, VersionTable } from "./observation.ts";
import type { Outcome } from "./outcome.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "./quote.ts";
import type { Repair } from "./repair-piece.ts";
import type { PlanBasis, Refusal } from "./step.ts";
import type { Denial, Finding, Leftover, UnseenData, Verdict, VerdictOf } from "./verdict.ts";
import * as ways from "./ways-out.ts";
import {
  describeChange,
  describeDifference,
  describeFault,
  describeUnseen,
  enumerate,
  isOrAre,
  nameFact,
  nameHeads,
  namePlaces,
  nameRevision,
  sayBroughtBy,
} from "./words.ts";

type Found<Kind extends Finding["kind"]> = Extract<Finding, { readonly kind: Kind }>;
type Left<Kind extends Leftover["kind"]> = Extract<Leftover, { readonly kind: Kind }>;

/** What was seen and what it means; what a person can do, one way a line. */
type Words = Pick<Refusal, "reason" | "next">;

/**
 * THE table of what is refused after a look, by outcome and cause. Log, verdict line and docs/refusals.md read it. `when` is the cause in
 * a line, for whoever has not met it yet.
 */
export const refusals = {
  "schema-differs": cause(
    "drift",
    "the version rows name a revision, and the schema is not what it makes",
    ({ heads, differences }: VerdictOf<"drifted">, history: History) => {
      const serious = seriousOf(differences);
      return {
        reason: `the version rows say ${nameHeads(heads, history)}, but the schema is not what that revision makes: ${list(serious, history)}`,
        next: [
          "put the schema back to what the revision makes, then start again",
          ...ways.makeMissing(serious),
          ...ways.inSpiteOf(serious, "--drift warn"),
          ...ways.allowForEnvironment(serious, history),
          ways.compareInFull,
        ],
      };
    },
  ),
  "word-differs": cause(
    "drift",
    "`--assume` names a revision, and the schema is not what it makes",
    (heads: readonly string[], serious: readonly Difference[], history: History) => ({
      reason: `on your word (--assume) the database is at ${nameHeads(heads, history)}, but the schema is not what that revision makes: ${list(serious, history)}`,
      next: [
        "put the schema to what the revision makes, then start again",
        ...ways.inSpiteOf(serious, "--drift warn besides"),
        ways.compareInFull,
      ],
    }),
  ),
  "file-edited": cause(
    "drift",
    "a migration file is not what was applied, and nothing proves that what it does now was done",
    (edited: readonly Difference[], history: History) => ({
      reason: list(edited, history),
      next: [
        "put the file back to what was applied, and write what shall change into a new migration",
        "if only its comments changed: run `preflight bake`, which shows it for files that do nothing to rows",
        "or start in spite of it: --drift warn",
      ],
    }),
  ),
  "out-of-order": cause(
    "unproven",
    "a file that comes before one that is applied has not been applied",
    ({ skipped, heads }: VerdictOf<"behind" | "drifted">, history: History) => ({
      reason: `${enumerate(skipped.map((id) => nameRevision(id, history)))} ${skipped.length === 1 ? "comes" : "come"} before ${nameHeads(heads, history)}, which is applied, and ${isOrAre(skipped)} not: nobody has tried the files in this order`,
      next: [
        "let the file come after the newest one (with a number above it) and build the image again",
        "or, if it does not depend on the order: preflight run --allow-out-of-order",
      ],
    }),
  ),
  "unknown-database": cause(
    "unproven",
    "neither the version rows nor the tables are those of this history",
    ({ unknownRows, why }: VerdictOf<"unknown">, assumable: readonly string[]) => ({
      reason: cannotPlace(why),
      next: [
        ways.checkAddress,
        "is this image older than the database, or of another branch? then start the image that fits",
        ...(unknownRows.length > 0 ? [ways.anotherTable] : []),
        unknownRows.length === 0
          ? "if this history shall live beside what is there: --assume base; its migrations then run from the first one"
          : assumable.length === 0
            ? "if it is the right one: bring its tables back first; now no revision has all of its tables and columns here, so that no --assume would hold"
            : `if it is the right one: ${ways.sayAssume(assumable)}, your word for a revision whose tables and columns are all here; it replaces what the rows say`,
      ],
    }),
  ),
  "table-of-others": cause(
    "unproven",
    "a table of the version table's name is there, and it is no version table of this tool",
    ({ why }: VerdictOf<"unknown">) => ({
      reason: cannotPlace(why),
      next: [
        ways.checkAddress,
        ways.anotherTable,
        "--assume cannot help here: there is no table to record it in",
      ],
    }),
  ),
  "number-of-several": cause(
    "unproven",
    "several files have one number, and a version row does not say which of them ran",
    ({ inDoubt, why }: VerdictOf<"unknown">, table: VersionTable | null) => ({
      reason: why,
      next: inDoubt.flatMap(({ row, ids }) => {
        const name = table === null ? "" : quoteQualified(table);
        const where = `WHERE version = ${quoteLiteral(row)}; then start again`;
        return [
          ...ids.map(
            (id) =>
              `if ${id} is what ran: UPDATE ${name} SET version = ${quoteLiteral(id)} ${where}`,
          ),
          ...(ids.length > 1
            ? []
            : [`if it was another file, which is gone: DELETE FROM ${name} ${where}`]),
        ];
      }),
    }),
  ),
  unverified: cause(
    "unproven",
    "no ledger, or a stale one, and `--unverified refuse`",
    /** @param besides why it would be refused even so; null: it would not */
    ({ status, lacking }: Knowledge, besides: string | null) => {
      const why =
        status === "absent"
          ? "there is no ledger"
          : `the ledger is stale: it lacks ${enumerate(lacking)}, or has them as they were before`;
      return {
        reason: `${why}, and --unverified refuse forbids to start where the schema is not verified${besides === null ? "" : `. Besides: ${besides}`}`,
        next: [
          ways.bakeWhenBuilt,
          "or start without: --unverified start (PREFLIGHT_UNVERIFIED); then the version rows are believed",
        ],
      };
    },
  ),
  ambiguous: cause(
    "unproven",
    "the schema is what several states make: they differ by data, or by what is not compared",
    (finding: Found<"ambiguous">, history: History) => ({
      reason: `the schema is exactly what ${finding.candidates.map((heads) => nameHeads(heads, history)).join(" and ")} make${sayIndexes(finding)}; ${sayWhatIsBetween(finding, history)}`,
      next: [
        ...finding.candidates.map(
          (heads) =>
            `if the database is at ${nameHeads(heads, history)}: ${ways.sayAtHeads(heads)}`,
        ),
        ...(finding.notCompared.some(({ kind }) => kind === "viewdef")
          ? ["or bake on a PostgreSQL of this server's major version, and it will be compared"]
          : []),
      ],
    }),
  ),
  retired: cause(
    "unproven",
    "the schema is that of revisions whose files are no longer in the image",
    ({ heads }: Found<"retired">, assumable: readonly string[]) => ({
      reason: `the schema is exactly what ${enumerate(heads)} made, whose files are no longer in this image`,
      next: [
        "start an older image that still has these revisions and lets the database move on",
        ...(assumable.length === 0
          ? []
          : [
              `or, if a revision of this image is the same in effect: ${ways.sayAssume(assumable)} (its tables and columns are all here)`,
            ]),
      ],
    }),
  ),
  nearest: cause(
    "unproven",
    "no revision makes exactly this schema",
    (finding: Found<"nearest">, history: History, assumable: readonly string[]) => ({
      reason: `no revision makes exactly this schema. The nearest is ${nameHeads(finding.heads, history)}: ${list(finding.differences, history)}`,
      next: ways.fromNearest(finding, history, assumable),
    }),
  ),
  "nothing-to-compare": cause(
    "unproven",
    "tables without version rows, and no ledger (or a stale one) to compare them with",
    ({ why, probably, absent }: Found<"sketched">, assumable: readonly string[]) => {
      const without = absent.length === 0 ? "" : ` (without ${enumerate(absent)})`;
      const nearest =
        probably === null
          ? ""
          : `; by its tables and columns it is probably at ${probably}${without}`;
      return {
        reason: `${why === "stale" ? "the ledger is older than the migration files" : "there is no ledger"}, so no revision can be proven${nearest}`,
        next: [
          ways.bakeWhenBuilt,
          assumable.length === 0
            ? "no revision has all of its tables and columns here, so that no --assume would hold"
            : `or give your word for the revision that it is at: ${ways.sayAssume(assumable)}`,
        ],
      };
    },
  ),
  "data-between": cause(
    "unproven",
    "the schema proves another revision than the rows say, and data migrations lie between",
    (verdict: VerdictOf<"mismatched" | "missing-file">, history: History) => {
      const { claimed, proven } = bothStatesOf(verdict);
      const way = ways.recordProven(proven, verdict.direction);
      return {
        reason: `the version rows say ${nameHeads(claimed, history)}, the schema is exactly that of ${nameHeads(proven, history)}; between them lie data migrations and the like, of which the schema cannot say whether they ran: ${enumerate(verdict.dataMigrations.map((id) => nameRevision(id, history)))}`,
        next:
          verdict.direction === "forwards"
            ? [
                `if they did run: ${way}`,
                `if they did not run: carry them out by hand first, then ${way}`,
              ]
            : [
                `if they did not run: ${way}: the upgrade runs them`,
                `if they did run: bring the schema to what ${nameHeads(claimed, history)} makes, then start again`,
              ],
      };
    },
  ),
  "data-denied": cause(
    "unproven",
    "a stamp would cover a data migration that another tool's rows say did not run",
    ({ table, dataMigrations }: Denial, proven: readonly string[], history: History) => ({
      reason: `the schema is exactly that of ${nameHeads(proven, history)}, but ${table} has no row for ${enumerate(dataMigrations.map((id) => nameRevision(id, history)))}, of which the schema cannot say whether it ran`,
      next: [
        `if it did run: ${ways.sayAtHeads(proven)}`,
        `if it did not run: carry it out by hand first, then ${ways.sayAtHeads(proven)}`,
      ],
    }),
  ),
  "data-unseen": cause(
    "unproven",
    "no version rows, and nothing shows that the data migrations ran: their rows are not there",
    (
      unseen: readonly UnseenData[],
      proven: readonly string[],
      { knowledge, observation }: Pick<PlanBasis, "knowledge" | "observation">,
    ) => {
      const { history } = knowledge;
      const assumed = ways.sayAtHeads(proven);
      const files = [...new Set(unseen.map(({ file }) => file))];
      const unreadable = unseen
        .flatMap(({ lacks }) => lacks)
        .flatMap((lack) => (lack.kind === "unreadable" ? lack.table : []));
      const canShow = unseen.every(({ lacks }) => lacks.some(({ kind }) => kind === "absent"));
      return {
        reason: `the schema is exactly that of ${nameHeads(proven, history)}, but there are no version rows, and nothing shows that these data migrations ran: ${enumerate(unseen.map(describeUnseen))}`,
        next: [
          ...(unreadable.length === 0
            ? []
            : [
                `let role ${observation.role.name} read ${[...new Set(unreadable)].join(", ")}, past row security where there is any, and start again`,
              ]),
          `if they ran, or their rows were deleted on purpose: ${assumed}`,
          `if they did not run: run what ${enumerate(files)} ${files.length === 1 ? "does" : "do"} to rows first, then ${canShow ? "start again" : assumed}`,
        ],
      };
    },
  ),
  "extension-unseen": cause(
    "unproven",
    "a stamp would cover the creation of an extension that the bake passed over, and that is not here; or its removal, and it still is",
    (unproven: readonly UnprovenExtension[], heads: readonly string[], history: History) => {
      const seen = unproven.map(
        ({ name, isThere }) => `${name}, which this database ${isThere ? "still has" : "lacks"}`,
      );
      const statements = unproven.map(
        ({ name, isThere }) => `${isThere ? "DROP" : "CREATE"} EXTENSION ${quoteIdentifier(name)}`,
      );
      return {
        reason: `the schema is exactly that of ${nameHeads(heads, history)}, but the bake passed over ${enumerate(seen)}: whether the migration that says otherwise ran, nothing shows`,
        next: [
          `if it did not run: ${statements.join("; ")}, then start again`,
          `if it ran, or this is how it shall be: ${ways.sayAtHeads(heads)}`,
        ],
      };
    },
  ),
  "stamp-forbidden": cause(
    "unproven",
    "the version rows are wrong, and `--stamp never`",
    (
      from: readonly string[],
      to: readonly string[],
      because: "proven" | "assumed",
      history: History,
    ) => {
      const isProven = because === "proven";
      const at = isProven
        ? `the schema is proven to be at ${nameHeads(to, history)}`
        : `the database is at ${nameHeads(to, history)} on your word (--assume)`;
      return {
        reason: `${at}, the version rows say ${nameHeads(from, history)}, and --stamp never forbids to correct them`,
        next: [
          ways.sayStamp(to),
          `run without --stamp never: it then records ${isProven ? "what the schema proves" : "your word"}`,
        ],
      };
    },
  ),
  "newer-and-lacking": cause(
    "ahead-incompatible",
    "a newer image has migrated the database, and it lacks what this image needs",
    (verdict: VerdictOf<"ahead">, history: History) => ({
      reason: `${isOlder(verdict)}, and the schema lacks what it needs: ${list(verdict.lacking, history)}`,
      next: ways.fromNewer(verdict, history.tool),
    }),
  ),
  "newer-and-not-run": cause(
    "ahead-incompatible",
    "a newer image has migrated the database, and files of this one that change rows did not run",
    (verdict: VerdictOf<"ahead">, history: History) => {
      const { notRun } = verdict;
      const [have, they] = notRun.length === 1 ? ["has", "it"] : ["have", "they"];
      return {
        reason: `the database is at ${verdict.unknownRows.join(", ")}, which this image does not have, and ${enumerate(notRun)} of this image ${have} no row: ${they} did not run here`,
        next: ways.fromNewer(verdict, history.tool),
      };
    },
  ),
  "newer-forbidden": cause(
    "ahead-incompatible",
    "a newer image has migrated the database, and `--ahead refuse`",
    (verdict: VerdictOf<"ahead">, history: History) => ({
      reason: `${isOlder(verdict)}, and --ahead refuse forbids to start`,
      next: ways.fromNewer(verdict, history.tool),
    }),
  ),
  "invalid-index": cause(
    "partial",
    "CREATE INDEX CONCURRENTLY was interrupted and left its index INVALID",
    ({ indexes, applied }: Left<"invalid-index">) => ({
      reason: `an INVALID index is there, as an interrupted CREATE INDEX CONCURRENTLY leaves it: ${enumerate(indexes.map(nameFact))}`,
      next: [
        ...indexes.map((index) =>
          applied.includes(index)
            ? `${ways.rebuildIndex(index)} (its revision was applied, and will not make it again)`
            : `${ways.dropIndex(index)}; then start again`,
        ),
        "if its creation failed on duplicate rows, mend those first",
      ],
    }),
  ),
  interrupted: cause(
    "partial",
    "a file that cannot run in one transaction stopped between two of its statements",
    (left: Left<"interrupted">) => {
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
      return {
        reason: `${file} stopped half-way; it cannot run in one transaction. ${done === 0 ? "None" : done} of its ${of} statements ${done > 1 ? "are" : "is"} done. ${how}${besides}`,
        next: ways.fromInterrupted(left),
      };
    },
  ),
  begun: cause(
    "partial",
    "an earlier run may have begun a revision that commits in parts, and no row says that it ended",
    ({ revision, file, heads }: Left<"begun">, history: History) => ({
      reason: `revision ${nameRevision(revision, history)} does not commit all at once, and an earlier run may have begun it: no version row says that it ended, and what it did to rows no schema shows`,
      next: [
        `look at the data for what ${file} does`,
        "if none of it is there, or it may run twice: preflight run --resume (it runs from its beginning)",
        `or complete it by hand and record it: ${ways.sayStamp(heads)}, then start again`,
      ],
    }),
  ),
  dirty: cause(
    "partial",
    "a version table is marked dirty: its tool did not end a migration",
    ({ table, version }: Left<"dirty">) => ({
      reason: `${table} is marked dirty at ${version}: a migration did not end`,
      next: [
        "finish or undo that migration by hand, then clear the mark with the tool that made it",
        `or empty ${table} and start again: the schema alone then says where the database stands`,
      ],
    }),
  ),
  "half-done": cause(
    "partial",
    "some of what a revision makes is there, and some is not",
    (left: Left<"half-done">, history: History) => {
      const [done, undone] = [left.done.map(describeChange), left.undone.map(describeChange)];
      const undo = `undo by hand what is done of ${left.revision}, then start again: the upgrade runs it whole`;
      const complete = `do by hand all that is not done, its data included, and record it: ${ways.sayStamp([left.revision])}`;
      const mayHoldRows = left.done.some(({ kind, fact }) => kind === "adds" && holdsRows(fact));
      return {
        reason: `revision ${nameRevision(left.revision, history)} stopped half-way. Done: ${enumerate(done)}. Not done: ${enumerate(undone)}`,
        next: mayHoldRows
          ? [complete, `or, if nobody needs what its tables and columns hold by now: ${undo}`]
          : [undo, `or ${complete}`],
      };
    },
  ),
  "home-in-doubt": cause(
    "unproven",
    "nothing of the history is where it should live, and another schema has some of its tables",
    (why: string, schema: string) => ({
      reason: why,
      next: [`if this database is new to it and it shall live in ${schema}: --schema ${schema}`],
    }),
  ),
  elsewhere: cause(
    "unproven",
    "what the version rows promise is not where it should be, and may be in another schema",
    (verdict: VerdictOf<"mismatched" | "missing-file">, schema: string, history: History) => {
      const { claimed, proven } = bothStatesOf(verdict);
      return {
        reason: `the version rows say ${nameHeads(claimed, history)}, schema ${schema} holds exactly what ${nameHeads(proven, history)} makes, but ${namePlaces(verdict.elsewhere)}: what is missing here may be there`,
        next: [`if schema ${schema} is right: ${ways.sayAtHeads(proven)}`],
      };
    },
  ),
  "table-not-first": cause(
    "unproven",
    "something is pending, and the search_path has another schema before the version table's",
    ({ schema, createsIn }: Home, { searchPath }: Server) => ({
      reason: `the version table is in schema ${schema}, and the search_path (${searchPath.join(", ")}) puts ${createsIn} first: what a migration creates would go there, beside the tables that it belongs to`,
      next: [
        `put ${schema} first: ALTER ROLE … SET search_path = ${schema}`,
        `or say that it lives in ${createsIn}: --schema ${createsIn}`,
      ],
    }),
  ),
  "schema-not-first": cause(
    "config",
    "something is pending, and the role that upgrades has another schema first than `--schema`",
    (schema: string, whose: string, first: string | null) => ({
      reason: `--schema says ${schema}, and the search_path of ${whose} puts ${first ?? "nothing"} first: the upgrade would make its objects there`,
      next: [
        `put it first for the role that upgrades: ALTER ROLE … SET search_path = ${schema}`,
        `or in its address: ?options=-csearch_path%3D${encodeURIComponent(schema)}`,
      ],
    }),
  ),
  "bound-to-public": cause(
    "config",
    "something is pending, and these migrations work in no schema but public",
    (schema: string) => ({
      reason: `these migrations work only where public is the first schema of the search_path, as the bake found out, and here it is ${schema}`,
      next: ["put public first for the role that upgrades: ALTER ROLE … SET search_path = public"],
    }),
  ),
  "broken-history": cause(
    "broken-history",
    "the migration files contradict each other, or cannot be read",
    (faults: readonly HistoryFault[]) => ({
      reason: enumerate(faults.map(describeFault)),
      next: [
        "mend the migration files and build the image again; `preflight audit` shows every fault",
      ],
    }),
  ),
  "still-to-do": cause(
    "verify-failed",
    "the upgrade ended well, and the second look finds that it is still to be done",
    (steps: readonly string[]) => ({
      reason: disagrees(`${steps.join("; ")} is still to be done`),
      next: [
        "does the upgrade work on this very database? Another one may just have been changed: see its address, and what the migrations' own files set",
      ],
    }),
  ),
  "upgraded-elsewhere": cause(
    "verify-failed",
    "after the upgrade the rows say more than the schema that was looked at",
    ({
      verdict,
      knowledge: { history },
      observation: { home },
    }: Pick<PlanBasis, "knowledge" | "observation"> & { verdict: Verdict }) => ({
      reason: disagrees(
        `after the upgrade the rows say ${verdict.kind === "broken-history" ? "nothing" : nameHeads(verdict.recorded, history)}, and the schema that was looked at (${home.schema}) is an earlier one; the rows stay as they are`,
      ),
      next: [
        "does the upgrade work in another schema or another database? See its search_path and address, and what the migrations' own files set",
      ],
    }),
  ),
  "not-proved": cause(
    "verify-failed",
    "after what was done the second look refuses",
    (why: string, next: readonly string[]) => ({ reason: disagrees(why), next }),
  ),
  "stamp-contradicted": cause(
    "unproven",
    "`preflight stamp` names a revision, and something speaks against it",
    (to: readonly string[], whys: readonly string[], history: History) => ({
      reason: `nothing was written: against ${nameHeads(to, history)} speaks that ${whys.join("; and that ")}`,
      next: [
        `to record it in spite of that: preflight stamp ${to.join(" ") || "base"} --force`,
        "or let the evidence decide: preflight run",
      ],
    }),
  ),
  "undo-contradicted": cause(
    "unproven",
    "`preflight undo` would put rows back that the schema contradicts",
    (entry: JournalEntry, whys: readonly string[], history: History) => ({
      reason: `nothing was written: against ${rowsOf(entry.rowsBefore, history)}, as it was before entry ${entry.entry}, speaks that ${whys.join("; and that ")}`,
      next: [`to put the rows back in spite of that: preflight undo ${entry.entry} --force`],
    }),
  ),
  "undo-past-upgrade": cause(
    "unproven",
    "`preflight undo` meets an upgrade: only a stamp can be taken back",
    (entry: JournalEntry, upgrade: JournalEntry, history: History) => ({
      reason: `${entry === upgrade ? `entry ${upgrade.entry} is` : `after entry ${entry.entry} came entry ${upgrade.entry},`} an upgrade (${upgrade.beganAt}, ${enumerate(upgrade.evidence.what)}): what it did to tables and rows stands, and only a stamp can be taken back`,
      next: ways.fromUpgrade(upgrade, history),
    }),
  ),
  "undo-moved": cause(
    "unproven",
    "`preflight undo` finds other version rows than the stamp left",
    (entry: JournalEntry, now: readonly (string | null)[], history: History) => ({
      reason: `entry ${entry.entry} left ${rowsOf(entry.rowsAfter ?? [], history)}, and ${now.length === 0 ? "there are no version rows" : `the version rows are ${rowsOf(now, history)}`} now: something else has written them`,
      next: ["preflight history shows what Preflight has written", ways.writeOtherRows],
    }),
  ),
  "repair-left": cause(
    "drift",
    "`preflight repair` can make nothing more, and something is left that only a person can do",
    (heads: readonly string[], left: Repair["left"], history: History) => ({
      reason: `what is left to what ${nameHeads(heads, history)} makes, only a person can do: ${enumerate(left.map(({ what, why }) => `${what}: ${why}`))}`,
      next: ["do what is named, each as its reason says, and start again", ways.compareInFull],
    }),
  ),
  "repair-without-rows": cause(
    "unproven",
    "`preflight repair` finds no version rows that promise anything",
    () => ({
      reason: "there are no version rows, so that nothing says what the schema should be",
      next: [
        "say it: preflight repair --to REVISION",
        "or let the evidence decide: preflight check",
      ],
    }),
  ),
  "repair-unknown-rows": cause(
    "unproven",
    "`preflight repair` finds version rows that this image does not know",
    (recorded: readonly string[]) => ({
      reason: `what the version rows promise (${enumerate(recorded)}), this image does not know in full`,
      next: [
        "repair with the image that brought the database there",
        "or say what it should be: preflight repair --to REVISION",
      ],
    }),
  ),
  "repair-of-later": cause(
    "unproven",
    "`preflight repair` finds that the schema is exactly a later revision's than the rows say",
    (proven: readonly string[], history: History) => ({
      reason: `the schema is exactly that of ${nameHeads(proven, history)}, which is later than the version rows: what these promise and is not there, a revision has dropped`,
      next: ["it is the rows that are wrong: preflight check says what run does about them"],
    }),
  ),
  "repair-elsewhere": cause(
    "unproven",
    "`preflight repair` would make what another schema of the database has",
    (places: readonly Place[], home: string) => ({
      reason: `what is missing in ${home} may be elsewhere: ${namePlaces(places)}`,
      next: places
        .map(
          ({ schema }) => `if the application's tables are those in ${schema}: --schema ${schema}`,
        )
        .concat(`if they are to be made in ${home}: --schema ${home}`),
    }),
  ),
  "repair-not-done": cause(
    "verify-failed",
    "`preflight repair --apply` ran, and the schema still lacks what it made",
    (what: readonly string[]) => ({
      reason: `every statement of the repair succeeded, and yet this is still to do: ${enumerate(what)}`,
      next: ["look for an event trigger or a rule that undoes it", ways.compareInFull],
    }),
  ),
  "no-ledger": cause("missing-input", "`bake --check` found no ledger", (path: string) => ({
    reason: `there is no ledger ${path}`,
    next: [ways.bakeAndCommit],
  })),
  "stale-ledger": cause(
    "pending",
    "`bake --check` found that the ledger is not that of the migration files",
    (path: string, { lacking }: Knowledge) => ({
      reason: `the ledger ${path} is stale: it lacks ${enumerate(lacking, 20)}, or has ${lacking.length === 1 ? "it" : "them"} with other contents`,
      next: [ways.bakeAndCommit],
    }),
  ),
} as const;

/** One that the bake passed over, where a database says the contrary of what a migration does. */
export type UnprovenExtension = { readonly name: string; readonly isThere: boolean };

export type Cause = keyof typeof refusals;

export function refuse<C extends Cause>(
  cause: C,
  ...about: Parameters<(typeof refusals)[C]["say"]>
): Refusal {
  const { outcome, say } = refusals[cause];
  return {
    kind: "refuse",
    outcome,
    cause,
    ...(say as (...about: readonly unknown[]) => Words)(...about),
  };
}

function cause<About extends readonly unknown[]>(
  outcome: Outcome,
  when: string,
  say: (...about: About) => Words,
) {
  return { outcome, when, say };
}

/** A word was given, and the schema contradicts it: what is refused stays refused. */
export function contradicted(
  { revision, absent }: Extract<Assumption, { readonly kind: "contradicted" }>,
  refused: Refusal,
): Refusal {
  return {
    ...refused,
    reason: `--assume ${revision} cannot be: it needs ${enumerate(absent)}, which ${isOrAre(absent)} not there. Without it: ${refused.reason}`,
  };
}

/** @returns those that would not be let pass */
export function seriousOf(differences: readonly Difference[]): readonly Difference[] {
  return differences.filter(({ tolerable }) => !tolerable);
}

function list(differences: readonly Difference[], history: History): string {
  return enumerate(gather(differences).map((each) => describeDifference(each, history)));
}

function rowsOf(rows: readonly (string | null)[], history: History): string {
  return rows.length === 0
    ? "no rows"
    : nameHeads(
        rows.map((row) => row ?? "NULL"),
        history,
      );
}

function disagrees(why: string): string {
  return `everything was done, and the second look disagrees: ${why}`;
}

function cannotPlace(why: string): string {
  return `this is not a database that this image can place: ${why}`;
}

function isOlder({ unknownRows, broughtBy }: VerdictOf<"ahead">): string {
  return `the database is at ${unknownRows.join(", ")}, which this image does not have${sayBroughtBy(broughtBy)}: the image is older than the database`;
}

function bothStatesOf(verdict: VerdictOf<"mismatched" | "missing-file">) {
  return {
    claimed: verdict.kind === "mismatched" ? verdict.claimed : verdict.recorded,
    proven: verdict.identified.kind === "proven" ? verdict.identified.heads : [],
  };
}

function sayIndexes({ indexes }: Found<"ambiguous">): string {
  if (indexes.length === 0) return "";
  return `, but for indexes, which come and go by hand and tell nothing (${enumerate(indexes.map(nameFact))})`;
}

function sayWhatIsBetween(
  { dataMigrations, notCompared }: Found<"ambiguous">,
  history: History,
): string {
  return dataMigrations.length > 0
    ? `between them lies what leaves no trace in it, such as data: ${enumerate(dataMigrations.map((id) => nameRevision(id, history)))}`
    : `what tells them apart is not compared here: ${enumerate([...new Set(notCompared.map(nameFact))])}`;
}
