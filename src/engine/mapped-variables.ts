import { unsaidInUrl } from "../core/database-address.ts";
import { holdsPassword, programVariables, schemesOf } from "../core/program-env.ts";
import { enumerate } from "../core/words.ts";
import { classify, ConnectionFault } from "../database/errors.ts";
import { noAddress } from "../database/refusal.ts";
import { addressAt } from "../settings/program-address.ts";
import type { RunScope } from "./scope.ts";
import { addressReader } from "./session.ts";

type Variables = Readonly<Record<string, string>>;

/** Milliseconds for the command that prints the password. */
const patience = 10_000;

/**
 * What `--program-env` gives the program, of the address as it is at the moment; of several hosts the one that was judged. Throws
 * CannotJudge `unavailable` where its password cannot be had.
 */
export async function mappedVariables({
  settings,
  context,
  database,
}: Pick<RunScope, "settings" | "context" | "database">): Promise<Variables> {
  const { programEnv, database: first } = settings;
  if (programEnv === null || first === null) return {};
  const read = addressReader(first, settings, context, () => patience);
  const connection = await read().catch((error: unknown) => {
    if (error instanceof ConnectionFault) throw noAddress(classify(error, "connect"), patience);
    throw error;
  });
  const address = addressAt(connection, database);
  const variables = programVariables(programEnv, address);
  if (address.password !== null)
    for (const { name } of programEnv.filter(holdsPassword))
      context.learnSecret(variables[name] ?? "");
  return variables;
}

/** Start-up options of the address reach a program that is given it in parts in this way alone, where its driver reads it. */
export function optionsOf({
  settings: { programEnv, database },
  context: { env },
}: Pick<RunScope, "settings" | "context">): string | null {
  const own = env["PGOPTIONS"] ?? null;
  return programEnv === null ? own : (database?.options ?? own);
}

/** Once, before the program first runs. */
export function sayUnsaid({ settings, context, database }: RunScope): void {
  const { programEnv, database: connection } = settings;
  if (programEnv === null || connection === null) return;
  const address = addressAt(connection, database);
  for (const scheme of schemesOf(programEnv)) {
    const unsaid = unsaidInUrl(scheme, address, connection.options);
    if (unsaid.length === 0) continue;
    context.log({
      level: "warn",
      event: "address.unsaid",
      msg: `a URL for ${scheme} cannot say what the address says of ${enumerate(unsaid)}: let env.py say it to its driver, or take a driver of libpq's, such as postgresql+psycopg`,
    });
  }
}
