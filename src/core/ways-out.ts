import type { Difference } from "./difference.ts";
import { type Fact, holdsRows } from "./facts.ts";
import type { History } from "./history.ts";
import type { JournalEntry } from "./journal.ts";
import type { MigrationTool } from "./migration-tool.ts";
import { quoteLiteral } from "./quote.ts";
import { isMade } from "./repair-piece.ts";
import type { Finding, Leftover, VerdictOf } from "./verdict.ts";
import { enumerate, nameHeads } from "./words.ts";

export const bakeWhenBuilt =
  "run `preflight bake` when the image is built and copy preflight.ledger.json into it";
export const bakeAndCommit = "run `preflight bake` and commit the file";
export const rightLedger = "name the ledger that was baked from these files: --ledger";
export const dotenvIsThere =
  "there is a .env here, which is read only where it is named: --env-file .env";
/** A library that runs the same tool itself writes into a table of the usual name as well. */
export const anotherTable =
  "if another application or a library made that table: give this history's own another name, in the tool's configuration and with --version-table NAME";

export const checkAddress = "check the address: is this the application's database?";
export const pastThePooler = "connect directly, past the pooler: PREFLIGHT_DATABASE_URL";
export const lookAnew = "run it again: it looks at the database anew";
export const lookAnewAndFinish = `${lookAnew} and finishes what is left`;
export const whenTheyHaveEnded =
  "run it again when the transactions that are in its way have ended";
export const moreTime = "give it more time with --timeout";
export const reportIt = "report it, with this message";
export const whenOtherIsDone = "run it again when the other migration or maintenance is done";
export const writeOtherRows = "to write other rows: preflight stamp REVISION";
export const compareInFull = "preflight check --verbose shows every difference";

/** A person's word names one revision; several heads are recorded by hand. */
export function sayAtHeads(heads: readonly string[]): string {
  return heads.length > 1
    ? `${sayStamp(heads)}, then start again`
    : `--assume ${heads[0] ?? "base"}`;
}

/** How a person records a version by hand. */
export function sayStamp(heads: readonly string[]): string {
  return `preflight stamp ${heads.join(" ") || "base"}`;
}

/** What to type; between several only the person can choose. */
export function sayAssume(ids: readonly string[]): string {
  const shown = ids.slice(0, 5).map((id) => `--assume ${id}`);
  const more = ids.length > shown.length ? ` (or one of ${ids.length - shown.length} more)` : "";
  return `${shown.join(" or ")}${more}`;
}

/** Where the rows say another state than the one that is proven. */
export function recordProven(
  proven: readonly string[],
  direction: "forwards" | "backwards",
): string {
  // What may run once more is said again there, and wants another word.
  const force = direction === "backwards" ? " --force" : "";
  const stamp = `${sayStamp(proven)}${force}, then start again`;
  return proven.length > 1 ? stamp : `${sayAtHeads(proven)}, or ${stamp}`;
}

/** Never first to do what would take rows along. */
export function fromNearest(
  finding: Extract<Finding, { readonly kind: "nearest" }>,
  history: History,
  assumable: readonly string[],
): readonly string[] {
  const bring = `bring the schema to what ${nameHeads(finding.heads, history)} makes`;
  const words = inEffect(finding, history.tool, assumable);
  const [word, ...others] = words;
  const takesRows = finding.differences.some(
    ({ kind, fact }) => kind !== "missing" && holdsRows(fact),
  );
  return takesRows && word !== undefined
    ? [
        word.replace(/^or, /, ""),
        ...others,
        `or ${bring} (whatever table or column goes takes its rows along), then start again`,
        compareInFull,
      ]
    : [`${bring}, then start again`, ...words, compareInFull];
}

/** A word for the nearest state, or for one that lacks nothing. What differs all the same stays: as drift. */
function inEffect(
  finding: Extract<Finding, { readonly kind: "nearest" }>,
  tool: MigrationTool,
  assumable: readonly string[],
): readonly string[] {
  const { heads, differences } = finding;
  const [nearest] = heads;
  if (assumable[0] === "base")
    return [
      "or, if what is there may stay as it is: --assume base; the migrations then run from the first one, and make what is missing",
    ];
  const isAssumable = nearest !== undefined && assumable.includes(nearest);
  if (heads.length !== 1 || isAssumable) {
    if (differences.some(wouldFail)) return [];
    const drift = differences.every(({ tolerable }) => tolerable) ? "" : " --drift warn";
    return [`or, if that is what it is in effect: ${sayAtHeads(heads)}${drift}`];
  }
  return assumable.length === 0
    ? []
    : [`or, if it is at another revision in effect: ${sayAssume(assumable)} --drift warn`];
}

export function fromNewer(verdict: VerdictOf<"ahead">, tool: MigrationTool): readonly string[] {
  return [
    "start the image that brought the database to this revision, or a newer one",
    "or take the database back to what this image needs before you roll back",
    ...underOtherVersions(verdict, tool).map((way) => `or, ${way}`),
  ];
}

/** Where a tool has ways besides its files, such as a dashboard, they may record a migration under a version of their own. */
export function underOtherVersions(
  { unknownRows, unrecorded, lacking }: VerdictOf<"ahead">,
  tool: MigrationTool,
): readonly string[] {
  const absent = new Set(lacking.map(({ revision }) => revision));
  const present = unrecorded.filter((id) => !absent.has(id));
  const { renumber } = tool.words;
  if (renumber === null || present.length === 0) return [];
  return [
    `if these are the same migrations under other versions: ${renumber(unknownRows, present)}`,
  ];
}

type Interrupted = Extract<Leftover, { readonly kind: "interrupted" }>;

/** Only the file that began can go on in its middle, and only where nothing that it would make is there by half. */
export function canResume(
  left: Leftover,
): left is Interrupted | Extract<Leftover, { readonly kind: "begun" }> {
  if (left.kind === "begun") return true;
  return left.kind === "interrupted" && !left.isEdited && left.indexes.length === 0;
}

export function fromInterrupted({
  progress: { version, state },
  file,
  table,
  isEdited,
  indexes,
}: Interrupted): readonly string[] {
  const drops = indexes.map((index) => `${dropIndex(index)}: it was left INVALID`);
  if (file === null) return [...drops, "start the image that has this file"];
  if (isEdited)
    return [
      ...drops,
      `undo by hand what is done of it and forget it: DELETE FROM ${table} WHERE version = ${quoteLiteral(version)}; the file then runs from its beginning`,
      `or put ${file} back to what it was when it began: then it can go on from there (--resume); another text cannot`,
    ];
  const before =
    state === "started" && drops.length === 0
      ? ["look whether that statement took effect; if it did, undo it"]
      : state === "failed"
        ? ["mend the cause"]
        : [];
  const first = [...drops, ...before];
  return [...first, `${first.length > 0 ? "then " : ""}go on from there: preflight run --resume`];
}

/** The rows alone would say that it never ran. */
export function fromUpgrade(
  { beganAt, rowsBefore }: JournalEntry,
  { tool }: History,
): readonly string[] {
  const heads = rowsBefore.flatMap((row) => row ?? []);
  const downgrade = tool.words.downgrade?.(heads) ?? null;
  return [
    `restore a backup from before ${beganAt}`,
    ...(downgrade === null
      ? ["or write a new migration that undoes it"]
      : [`or go back by the migrations' own downgrade, if they have one: ${downgrade}`]),
  ];
}

/** No way out where a pending revision would only fail on what is there. */
export function inSpiteOf(differences: readonly Difference[], how: string): readonly string[] {
  return differences.some(wouldFail)
    ? []
    : [`or start in spite of it: ${how}; a new migration can then mend the schema for good`];
}

/** Of what is left for a person, repair says why. */
export function makeMissing(differences: readonly Difference[]): readonly string[] {
  return differences.some((each) => each.kind === "missing" && isMade(each.fact))
    ? ["what is missing can be made: preflight repair prints the SQL, and --apply runs it"]
    : [];
}

function wouldFail(difference: Difference): boolean {
  return difference.kind === "in-the-way" && difference.fails;
}

/** What a migration makes that reads the environment may be right here, and other than where it was baked. */
export function allowForEnvironment(
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

/** PostgreSQL refuses CONCURRENTLY for the index of a partitioned table, whose definition says ONLY. */
export function dropIndex(index: Fact): string {
  return `DROP INDEX ${isOfPartitioned(index) ? "" : "CONCURRENTLY "}${indexName(index)}`;
}

/** The index of a partitioned table becomes valid with the last of its partitions' indexes. */
export function rebuildIndex(index: Fact): string {
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
