import { isShortOfSessions } from "../database/lock.ts";
import { type Blocked, describeBlocked, readBlocked } from "../database/other-sessions.ts";
import { unlessAborted } from "../database/waiting.ts";
import type { Context } from "./context.ts";
import type { StepScope } from "./scope.ts";
import { openSession } from "./session.ts";

/** Milliseconds: a short upgrade costs no session more. */
const firstLook = 2000;
const between = 1000;
const sayAfter = 5000;
const sayAgain = 15_000;

/**
 * Does the work, and says meanwhile who holds the locks that sessions of this name wait for. The watch has a session of its own:
 * behind a pooler whose connections are all taken, its questions wait, and nothing else does. Where it gets none, nobody
 * watches.
 */
export async function whileWatching<T>(
  applicationName: string,
  scope: Pick<StepScope, "settings" | "context">,
  work: () => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const context = {
    ...scope.context,
    signal: AbortSignal.any([scope.context.signal, over.signal]),
  };
  const watching = watch(applicationName, { settings: scope.settings, context }).catch(() => {});
  try {
    return await work();
  } finally {
    over.abort();
    await watching;
  }
}

async function watch(
  applicationName: string,
  { settings, context }: Pick<StepScope, "settings" | "context">,
): Promise<void> {
  const began = context.now();
  await context.sleep(firstLook, context.signal);
  // Its attempts and failures are nobody's news.
  const quiet: Context = { ...context, log: () => {} };
  const session = await openSession(settings, quiet, { timeout: between });
  try {
    if (await unlessAborted(isShortOfSessions(session), context.signal)) return;
    // A lock timeout ends a wait before it is worth a word.
    const after = Math.min(sayAfter, (settings.ddlLockTimeout ?? sayAfter) / 2);
    const read = async (): Promise<readonly Blocked[]> =>
      await readBlocked(session, applicationName, context.now() - began);
    await sayWhoBlocks(read, after, context);
  } finally {
    await session.close();
  }
}

async function sayWhoBlocks(
  read: () => Promise<readonly Blocked[]>,
  after: number,
  { log, now, signal, sleep }: Context,
): Promise<void> {
  let said = { who: "", at: 0 };
  while (!signal.aborted) {
    const found = (await unlessAborted(read(), signal)).filter(
      ({ waited }) => waited === null || waited * 1000 >= after,
    );
    const who = found.map(({ waiter, pid }) => `${waiter} ${pid}`).join(", ");
    if (who === "") said = { who, at: 0 };
    else if (who !== said.who || now() - said.at >= sayAgain) {
      said = { who, at: now() };
      for (const blocked of found) log(waitingFor(blocked));
    }
    await sleep(between, signal);
  }
}

function waitingFor(blocked: Blocked): Parameters<Context["log"]>[0] {
  const { waiter, pid, role, applicationName, age } = blocked;
  return {
    level: "warn",
    event: "upgrade.blocked",
    msg: describeBlocked(blocked),
    waiter,
    pid,
    role,
    applicationName,
    transactionAgeSeconds: age,
  };
}
