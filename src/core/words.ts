import type { Place } from "./elsewhere.ts";
import type { Fact } from "./facts.ts";
import type { Gathered } from "./gather.ts";
import type { History, HistoryFault } from "./history.ts";
import type { JournalEntry } from "./journal.ts";
import type { Lack } from "./row-evidence.ts";
import type { Step } from "./step.ts";
import type { Change, UnseenData } from "./verdict.ts";

/** A fact as a person names it: `column transactions.trade_id`. */
export function nameFact(fact: Fact): string {
  const object = fact.object.replace(/^public\./, "");
  switch (fact.kind) {
    case "column":
      return `column ${object}.${fact.name}`;
    case "constraint":
    case "index":
    case "trigger":
    case "policy":
    case "rule":
      return `${fact.kind} ${fact.name} on ${object}`;
    case "invalid":
      return `index ${fact.name} on ${object}`;
    case "viewdef":
      return `the query of view ${object}`;
    case "matview":
      return `materialized view ${object}`;
    case "ftable":
      return `foreign table ${object}`;
    case "eventtrigger":
      return `event trigger ${object}`;
    case "opclass":
      return `operator class ${object}`;
    case "opfamily":
      return `operator family ${object}`;
    case "tsconfig":
    case "tsdictionary":
    case "tsparser":
    case "tstemplate":
      return `text search ${textSearch[fact.kind]} ${object}`;
    case "accessmethod":
      return `access method ${object}`;
    case "fdw":
      return `foreign-data wrapper ${object}`;
    case "server":
      return `foreign server ${object}`;
    case "publication":
      return `publication ${object}${fact.name === "" ? "" : ` of ${fact.name}`}`;
    case "replica":
      return `the replica identity of ${object}`;
    case "owner":
      return `the ownership of ${object} by ${fact.definition}`;
    case "grant":
      return `${fact.definition} on ${object} for ${fact.name}`;
    case "enum":
    case "range":
      return `type ${object}`;
    case "colorder":
      return `the order of the columns of ${object}`;
    case "comment":
      return `the comment on ${object}${fact.name === "" ? "" : `.${fact.name}`}`;
    default:
      return `${fact.kind} ${object}`;
  }
}

const textSearch = {
  tsconfig: "configuration",
  tsdictionary: "dictionary",
  tsparser: "parser",
  tstemplate: "template",
} as const;

export function describeDifference({ difference, parts }: Gathered, history: History): string {
  if (difference.kind === "edited")
    return `${difference.file} was edited after it was applied${difference.tolerable ? "; the schema is what it makes now" : ", and nothing proves that what it does now was done"}`;
  const columns = parts.filter(({ fact }) => fact.kind === "column").length;
  const name = `${nameFact(difference.fact)}${columns === 0 ? "" : `, with ${columns} column${columns === 1 ? "" : "s"},`}`;
  switch (difference.kind) {
    case "missing":
      return `${name} is missing${difference.revision === null ? "" : `: revision ${nameRevision(difference.revision, history)} adds it`}`;
    case "changed":
      return `${name} is not as revision ${difference.revision === null ? "?" : nameRevision(difference.revision, history)} makes it: expected ${quote(difference.fact)}, found ${quote(difference.actual)}`;
    case "extra":
      return `${name} is there, and no applied revision makes it${difference.why === "" ? "" : `: ${difference.why}`}`;
    case "in-the-way":
      return `${name} is there already: revision ${nameRevision(difference.revision, history)}, which is pending, makes one of that name${difference.fails ? " and would fail" : ", and whether the rows that are written up to there already are, nobody knows"}`;
  }
}

export function describeChange({ kind, fact }: Change): string {
  return `${kind === "adds" ? "add" : "drop"} ${nameFact(fact)}`;
}

export function describeFault(fault: HistoryFault): string {
  switch (fault.kind) {
    case "unreadable":
      return `${[fault.file, fault.line ?? [], fault.column ?? []].flat().join(":")}: ${fault.why}`;
    case "duplicate-id":
      return `revision ${fault.id} is in ${fault.files.length} files: ${fault.files.join(", ")}`;
    case "missing-parent":
      return `${fault.file}: revision ${fault.id} follows ${fault.parent}, which no file has`;
    case "missing-dependency":
      return `${fault.file}: revision ${fault.id} depends on ${fault.dependency}, which no file has`;
    case "duplicate-label":
      return `branch label ${fault.label} is used more than once: ${fault.files.join(", ")}`;
    case "illegal-id":
      return `${fault.file}: revision id ${JSON.stringify(fault.id)} cannot be used: ${fault.why}`;
    case "cycle":
      return `these revisions follow each other in a circle: ${fault.ids.join(" → ")}`;
  }
}

/** `002 (migrations/002_roles.sql; 2 of its 2 rows in roles are not there)` */
export function describeUnseen({ revision, file, lacks }: UnseenData): string {
  const why =
    lacks.length === 0
      ? "it leaves nothing that could be looked for"
      : [...new Set(lacks.map(describeLack))].join(", ");
  return `${revision} (${file}: ${why})`;
}

function describeLack(lack: Lack): string {
  const table = lack.table.replace(/^public\./, "");
  switch (lack.kind) {
    case "absent":
      return `${lack.absent} of its ${lack.of} rows in ${table} not there`;
    case "filled":
      return lack.where === null
        ? `${table} has rows that it may have had to change`
        : `${table} has rows that it would change: ${lack.where}`;
    case "unreadable":
      return `${table} could not be read: ${lack.why}`;
  }
}

/** At most `most` of them, and how many more there are. */
export function enumerate(items: readonly string[], most = 5): string {
  const shown = items.slice(0, most).join("; ");
  return items.length <= most ? shown : `${shown}; and ${items.length - most} more`;
}

/** `1 revision`, `2 revisions` */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

export function isOrAre({ length }: readonly unknown[]): string {
  return length === 1 ? "is" : "are";
}

/** Version rows or heads, in a sentence. */
export function nameHeads(heads: readonly string[], history: History): string {
  if (heads.length === 0) return "base (nothing applied)";
  return heads.map((id) => nameRevision(id, history)).join(", ");
}

/** `a1b2c3 (Add orders)`: a hash tells a person nothing. */
export function nameRevision(id: string, { revisions }: History): string {
  const title = revisions.get(id)?.title ?? "";
  const says = title === "" || ` ${plainly(id)}`.endsWith(` ${plainly(title)}`);
  return says ? id : `${id} (${title})`;
}

function plainly(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** Nobody reads more of them in one line. */
const mostNamed = 5;

/** `2 revisions: a1b2c3 (Add orders), d4e5f6 (Add status)`; of many the first and the last. */
export function nameRevisions(ids: readonly string[], history: History): string {
  const named = (id: string | undefined): string => nameRevision(id ?? "", history);
  if (ids.length === 1) return `revision ${named(ids[0])}`;
  return ids.length <= mostNamed
    ? `${ids.length} revisions: ${ids.map(named).join(", ")}`
    : `${ids.length} revisions, ${named(ids[0])} to ${named(ids.at(-1))}`;
}

/** ` (image 1.4.3 brought it there at 2026-11-30T19:29:46Z, by the journal)` */
export function sayBroughtBy(entry: JournalEntry | null): string {
  if (entry === null) return "";
  const who = entry.image === null ? "another image" : `image ${entry.image}`;
  return ` (${who} brought it there at ${entry.beganAt}, by entry ${entry.entry} of the journal)`;
}

/** What a step of a plan does. */
export function describeStep(step: Step, history: History): string {
  switch (step.kind) {
    case "stamp":
      return `stamp ${nameHeads(step.to, history)}${step.because === "assumed" ? " on your word (--assume)" : ""} ${step.from.length === 0 ? "where there are no rows" : `in place of ${nameHeads(step.from, history)}`}`;
    case "undo":
      return `take back the stamp of entry ${step.entry}: ${step.to.length === 0 ? "no rows" : nameHeads(step.to, history)} in place of ${nameHeads(step.from, history)}`;
    case "repair":
      return `make what is missing of ${nameHeads(step.to, history)}: ${count(step.batches.flatMap(({ statements }) => statements).length, "statement")}${step.left.length === 0 ? "" : `; ${count(step.left.length, "thing")} left for a person`}`;
    case "widen":
      return `widen the version column to ${step.to} characters`;
    case "upgrade":
      return `upgrade: ${nameRevisions(step.revisions, history)}`;
  }
}

/** `schema app has 3 of its tables (customers, orders, payments)` */
export function namePlaces(places: readonly Place[]): string {
  return enumerate(
    places.map(
      ({ schema, tables }) =>
        `schema ${schema} has ${tables.length === 1 ? "one" : tables.length} of its tables (${tables.slice(0, 3).join(", ")}${tables.length > 3 ? ", …" : ""})`,
    ),
    3,
  );
}

function quote(fact: Fact): string {
  const text = [...fact.definition.replace(/\s+/g, " ")];
  return `"${text.length <= 120 ? text.join("") : `${text.slice(0, 117).join("")}...`}"`;
}
