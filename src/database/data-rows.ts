import type { RowAnswer } from "../core/observation.ts";
import type { RowsToChange, Trace } from "../core/traces.ts";
import { emptinessMessage, rowsMessage } from "./data-rows.sql.ts";
import type { Database } from "./database.ts";
import { cannotGoOn, classify } from "./errors.ts";
import { isAnswer } from "./migrate-work.ts";

/**
 * Looks for the rows that data migrations leave. What the server refuses, hides or does not find in time is not there.
 * Throws CannotJudge where the connection is lost.
 */
export async function lookForRows(
  db: Database,
  traces: readonly Trace[],
  salt: string,
): Promise<readonly RowAnswer[]> {
  const answers: RowAnswer[] = [];
  for (const question of questionsOf(traces)) answers.push(await ask(db, question, salt));
  return answers;
}

type RowsAsked = Extract<Trace, { readonly kind: "rows" }>;
type Question = RowsAsked | ({ readonly kind: "emptiness" } & RowsToChange);

/** One for each table and what its rows are known by. */
function questionsOf(traces: readonly Trace[]): readonly Question[] {
  const rows = new Map<string, RowsAsked>();
  const changed = new Map<string, Question>();
  for (const trace of traces) {
    if (trace.kind === "idle") {
      for (const each of trace.unless)
        changed.set(JSON.stringify(each), { kind: "emptiness", ...each });
      continue;
    }
    const key = JSON.stringify([trace.table, trace.columns]);
    const others = rows.get(key)?.hashes ?? [];
    rows.set(key, { ...trace, hashes: [...new Set([...others, ...trace.hashes])] });
  }
  return [...rows.values(), ...changed.values()];
}

async function ask(db: Database, question: Question, salt: string): Promise<RowAnswer> {
  const { table } = question;
  try {
    switch (question.kind) {
      case "rows": {
        const { columns, hashes } = question;
        const rows = await db.query<{ hash: string }>(rowsMessage(table, columns, hashes, salt));
        return { kind: "rows", table, columns, found: rows.map(({ hash }) => hash) };
      }
      case "emptiness": {
        const { where } = question;
        const [row] = await db.query<{ isEmpty: boolean }>(emptinessMessage(question));
        return { kind: "emptiness", table, where, isEmpty: row?.isEmpty === true };
      }
    }
  } catch (error) {
    const doing = `looking for rows in ${table}`;
    if (!isAnswer(error)) throw cannotGoOn(error, doing);
    await db.query("ROLLBACK").catch((lost: unknown) => {
      throw cannotGoOn(lost, doing);
    });
    return { kind: "unreadable", table, why: classify(error, "session").says };
  }
}
