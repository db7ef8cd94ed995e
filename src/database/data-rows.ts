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

type RowsOfTable = Omit<Extract<Trace, { readonly kind: "rows" }>, "kind">;
type Question =
  | ({ readonly kind: "rows" } & RowsOfTable)
  | ({ readonly kind: "emptiness" } & RowsToChange);

/** One for each table and what its rows are known by. */
function questionsOf(traces: readonly Trace[]): readonly Question[] {
  const rows = new Map<string, RowsOfTable>();
  const changed = new Map<string, RowsToChange>();
  for (const trace of traces) {
    if (trace.kind === "idle") {
      for (const each of trace.unless) changed.set(JSON.stringify(each), each);
      continue;
    }
    const { table, columns, hashes } = trace;
    const key = JSON.stringify([table, columns]);
    const others = rows.get(key)?.hashes ?? [];
    rows.set(key, { table, columns, hashes: [...new Set([...others, ...hashes])] });
  }
  return [
    ...[...rows.values()].map((each) => ({ kind: "rows", ...each }) as const),
    ...[...changed.values()].map((each) => ({ kind: "emptiness", ...each }) as const),
  ];
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
