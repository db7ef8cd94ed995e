import type { Migration } from "../core/migration.ts";
import type { MigrationEnd } from "../database/migrate.ts";
import type { Ending } from "./draft.ts";

type Failure = Exclude<MigrationEnd, { readonly kind: "applied" }>;

/**
 * What a person at 3 a.m. needs of a file that failed: where, what, why, what stands, and its author's way back. How a
 * file goes on that runs outside of a transaction, the look at the database says that follows.
 */
export function describeFailure(end: Failure, migration: Migration): Ending {
  const { file, statements, header } = migration;
  const isAtEnd = end.kind === "failed" && end.at === "commit";
  const place = `${file}:${end.kind === "failed" ? end.line : end.statement.line}`;
  const which = `${place}: statement ${end.index + 1} of ${statements.length}`;
  const rollback = header.filter(({ label }) => /roll ?back|undo|revert/i.test(label));
  return {
    outcome: "migration-failed",
    reason: [
      `${isAtEnd ? `${file}: what it had deferred until its end` : which} ${describeEnd(end)}`,
      ...(isAtEnd ? [] : [`The statement: ${shorten(end.statement.text)}`]),
      standing(end, migration),
    ].join(". "),
    next: [
      ...(end.kind === "failed" && end.hint !== null ? [`the server's hint: ${end.hint}`] : []),
      ...rollback.map(({ label, text }) => `its author's ${label}: ${text}`),
      ...(runsAnew(end, migration)
        ? ["mend the cause and start again: the file runs from its beginning"]
        : []),
    ],
  };
}

/** Nothing of it stands, and nothing of it can have been left behind. */
function runsAnew(end: Failure, { outside }: Migration): boolean {
  return outside === null || (end.standing === 0 && !end.statement.isAlone);
}

function describeEnd(end: Failure): string {
  if (end.kind === "stopped")
    return end.by === "timeout"
      ? "was stopped: the file took longer than --upgrade-timeout allows"
      : "was stopped: preflight was told to end";
  const parts = [`failed: ${end.message} (SQLSTATE ${end.code})`];
  if (end.detail !== null) parts.push(`Detail: ${end.detail.replace(/\.$/, "")}`);
  if (end.where !== null) parts.push(`Where: ${shorten(end.where)}`);
  return parts.join(". ");
}

function standing(end: Failure, { file, outside, statements }: Migration): string {
  return outside === null
    ? `Nothing of ${file} stands, everything before it does`
    : `${file} cannot run in one transaction: ${end.standing} of its ${statements.length} statements stand`;
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length <= 300 ? line : `${line.slice(0, 297)}...`;
}
