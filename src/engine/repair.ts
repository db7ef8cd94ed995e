import { grantCreate, grantCreateSchema } from "../core/grants.ts";
import type { Knowledge } from "../core/knowledge.ts";
import { CannotJudge } from "../core/outcome.ts";
import { kindsUnseen } from "../core/plan-repair.ts";
import { lackOfWriting } from "../core/privileges.ts";
import { quoteIdentifier } from "../core/quote.ts";
import { refuse } from "../core/refusals.ts";
import type { RepairNeeds } from "../core/repair-piece.ts";
import type { Step } from "../core/step.ts";
import { enumerate } from "../core/words.ts";
import { rightsLacking, runBatch } from "../database/repair.ts";
import { assessWhenFree } from "./assess.ts";
import { type Context, type Ending, ready, waitingOf } from "./context.ts";
import { endRefused } from "./events.ts";
import type { StepScope } from "./scope.ts";
import type { FirstLook, UnderLock } from "./with-lock.ts";

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

/** The look afterwards: nothing may be missing but what was left for a person, although more of that could be made by now. */
export async function proveRepair({ to, left }: RepairStep, underLock: UnderLock): Promise<Ending> {
  const { context, deadline } = underLock;
  const { plan, knowledge } = await assessWhenFree(underLock, deadline);
  if (plan.kind === "start") {
    const msg = "done and proved: nothing is missing any more";
    context.log({ level: "info", event: "proved", msg });
    return ready;
  }
  if (plan.kind === "refuse")
    return endRefused(
      plan.cause === "repair-left" ? plan : refuse("repair-not-done", [plan.reason]),
      context,
    );
  const still = plan.steps.flatMap((step) => (step.kind === "repair" ? whatItMakes(step) : []));
  const undone = still.filter((each) => !left.some(({ what }) => what === each));
  return endRefused(
    undone.length > 0
      ? refuse("repair-not-done", undone)
      : refuse("repair-left", to, left, knowledge.history),
    context,
  );
}

/** What an older ledger does not know of. */
export function sayUnseen({ ledger }: Knowledge, { log }: Context): void {
  const unseen = ledger === null ? [] : kindsUnseen(ledger);
  if (unseen.length === 0) return;
  const msg = `the ledger is of an earlier version and says nothing of these kinds, so that nothing of them is repaired: ${enumerate(unseen, unseen.length)}; run \`preflight bake\` for them`;
  log({ level: "warn", event: "repair.unseen", msg });
}
