import { grantCreate, grantCreateSchema } from "../core/grants.ts";
import { CannotJudge } from "../core/outcome.ts";
import { lackOfWriting } from "../core/privileges.ts";
import { quoteIdentifier } from "../core/quote.ts";
import type { RepairNeeds } from "../core/repair-piece.ts";
import type { Step } from "../core/step.ts";
import { rightsLacking, runBatch } from "../database/repair.ts";
import { type Ending, waitingOf } from "./context.ts";
import type { StepScope } from "./scope.ts";
import type { FirstLook } from "./with-lock.ts";

export type RepairStep = Extract<Step, { readonly kind: "repair" }>;

export function whatItMakes({ batches }: RepairStep): readonly string[] {
  return [...new Set(batches.flatMap(({ statements }) => statements.map(({ what }) => what)))];
}

/** Batch after batch. @returns how one of them failed, and what stands; null: all are done */
export async function applyRepair(
  { batches }: RepairStep,
  { database, settings, context }: StepScope,
): Promise<Ending | null> {
  const options = { ...waitingOf(context), lockTimeout: settings.ddlLockTimeout };
  let done = 0;
  const of = batches.flatMap(({ statements }) => statements).length;
  for (const batch of batches) {
    context.signal.throwIfAborted();
    for (const { says } of batch.statements)
      context.log({ level: "info", event: "repair.statement", msg: says });
    const failure = await runBatch(database, batch, options);
    if (failure !== null) {
      const { statement, message, code } = failure;
      const stands =
        done === 0 ? "nothing else was changed" : `${done} of ${of} statements stand before it`;
      return {
        outcome: "migration-failed",
        reason: `${statement.says}: could not be made: ${message} (SQLSTATE ${code}); ${stands}. The statement: ${shorten(statement.sql)}`,
        next: [
          ...(batch.kind === "alone"
            ? ["if it has left an INVALID index of that name: DROP INDEX CONCURRENTLY"]
            : []),
          "mend the cause, then: preflight repair; it looks anew, and makes what is still missing",
        ],
      };
    }
    done += batch.statements.length;
  }
  return null;
}

function shorten(sql: string): string {
  const text = sql.replaceAll(/\s+/g, " ");
  return text.length <= 300 ? text : `${text.slice(0, 297)}...`;
}

/** Found out before anything is done. Throws CannotJudge `permission`. */
export async function refuseWithoutRepairRights(
  { needs }: RepairStep,
  { first, database }: FirstLook,
): Promise<void> {
  const { role, server } = first.observation;
  const isReadOnly = lackOfWriting(first.observation);
  if (isReadOnly !== null) throw isReadOnly;
  const lacking = await rightsLacking(database, needs);
  const lacks = [
    ...lacking.map(({ object, lacks }) =>
      lacks === "own"
        ? { what: `does not own ${object}`, grant: `let the role that owns ${object} run it` }
        : {
            what: `has no ${lacks} on ${object}`,
            grant: `GRANT ${lacks} ON ${object} TO ${quoteIdentifier(role.name)}`,
          },
    ),
    ...lackingSchemas(needs, first.observation.role).map((schema) => ({
      what: `may not create anything in schema ${schema}`,
      grant: grantCreate({ schema }, role.name),
    })),
    ...(needs.ofDatabase && !role.canCreateSchema
      ? [
          {
            what: `may not create schemas or extensions in database ${server.database}`,
            grant: grantCreateSchema(server.database, role.name),
          },
        ]
      : []),
  ];
  if (lacks.length === 0) return;
  throw new CannotJudge(
    "permission",
    `role ${role.name} ${lacks.map(({ what }) => what).join("; it ")}: nothing was changed`,
    lacks.map(({ grant }) => grant),
  );
}

function lackingSchemas(
  { schemas }: RepairNeeds,
  { schemas: rights }: FirstLook["first"]["observation"]["role"],
): readonly string[] {
  return schemas.filter((schema) => {
    const right = rights[schema];
    return right !== undefined && !(right.canUse && right.canCreate);
  });
}
