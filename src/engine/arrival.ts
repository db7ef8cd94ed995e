import type { TableName } from "../core/version-table.ts";
import { releaseTable, sample, sampleHeld, tryToHold, type Visitor } from "../database/arrival.ts";
import { upgradeName } from "../database/own-sessions.ts";
import { comparePlaces, type Likeness, type Place } from "../settings/program-address.ts";
import { type Asked, type AskOptions, askProgram, succeeded, type Told } from "./program.ts";
import type { StepScope } from "./scope.ts";
import { openSession } from "./session.ts";

/** What was seen of a program that reads its version table, wherever that is. */
export type Sight =
  /** It arrived at the table that was held; where there is none, in this database. */
  | { readonly kind: "here" }
  /** Somebody did, whose name says nothing: not every driver passes PGAPPNAME on. */
  | { readonly kind: "perhaps"; readonly tookMs: number }
  /** It came to its end without. */
  | {
      readonly kind: "unseen";
      readonly tookMs: number;
      readonly isInDatabase: boolean;
      /** The table was free for a moment while it ran: it may have read it then. */
      readonly mayHaveSlipped: boolean;
      readonly place: Place | null;
    }
  /** The pooler has no connection left by which it could have come. */
  | { readonly kind: "unclear" }
  | { readonly kind: "failed"; readonly told: Told; readonly lines: readonly string[] };

export type ArrivalOptions = AskOptions & {
  /** The version table that was judged; there may be none yet. */
  readonly table: TableName;
  /**
   * Milliseconds from the program's beginning: whoever waits without our name is kept waiting for so long. 0: it is not known how
   * long the program takes.
   */
  readonly shortestHold: number;
};

/** Then all that wait for the table get it: those of other replicas have patience for 10 s. */
const longestSlice = 3000;
/** The same while somebody waits who may be the program. */
const longestHold = 8000;
const longestTry = 2000;
const betweenTries = 50;
const longestAsking = 2000;
/** 5 ms each. */
const samples = 20;

/**
 * Runs a read-only program once, and sees whether it comes here. Nobody can read a table that is held: who wants to is seen to
 * wait for it, whatever the driver, the role or the poolers on the way, and for the very table that its search_path leads
 * to. Where there is no table yet, its sessions are looked for. Nothing is written. Throws CannotJudge, or the signal's reason.
 */
export async function followArrival(options: ArrivalOptions, scope: StepScope): Promise<Sight> {
  const { database, context, settings } = scope;
  const before = new Set((await sample(database, 1)).map(({ moment }) => moment));
  const isHeld = await hold(options.table, scope);
  const program = askProgram(options, scope);
  try {
    const arrival = isHeld
      ? await untilAtTable(program, before, options, scope)
      : await untilInDatabase(program, before, scope);
    await releaseTable(database);
    const told = await program.ended;
    context.signal.throwIfAborted();
    const place = program.place();
    const likeness =
      settings.database === null || place === null
        ? "unknown"
        : comparePlaces(settings.database, place);
    return sightOf(arrival, told, likeness, program);
  } finally {
    // Only after an error; a program that has ended is not stopped.
    program.stop();
    await releaseTable(database);
    await program.ended.catch(() => {});
  }
}

/**
 * - `table`: it waits for the table that is held
 * - `table?`: somebody does whose name says nothing, and the program has not come to its end meanwhile
 * - `session`: it has a session in this database
 * - `session?`: somebody had one whose name says nothing
 * - `full`: it can have none, since the pooler's are all taken
 */
type Arrival = {
  readonly at: "table" | "table?" | "session" | "session?" | "full" | null;
  readonly isHeld: boolean;
  readonly mayHaveSlipped?: boolean;
};

async function untilAtTable(
  program: Asked,
  before: ReadonlySet<string>,
  { table, shortestHold }: ArrivalOptions,
  scope: StepScope,
): Promise<Arrival> {
  const { database, context } = scope;
  const { isOurs, isStranger } = recognise(context.runId);
  // A pooler lends a program without a name a connection that may have another replica's, or ours.
  const counts = shortestHold > 0 ? () => true : isStranger;
  let isInDatabase = false;
  let isRoomKnown = false;
  let heldSince = 0;
  let mayHaveSlipped = false;
  // Not always the same: a program that takes as long would slip through each time.
  let slice = longestSlice;
  while (!program.isDone()) {
    const { seen, waiting } = await sampleHeld(database, table, samples);
    isInDatabase ||= seen.some(isOurs);
    if (waiting.some(isOurs)) return { at: "table", isHeld: true };
    const isSomebodyThere = waiting.some(counts);
    if (isSomebodyThere && program.ranFor() >= shortestHold && !program.isDone())
      return { at: "table?", isHeld: true };
    const longest = isSomebodyThere ? longestHold : slice;
    if (program.ranFor() - heldSince < longest) continue;
    if (!isRoomKnown) {
      if (!(await hasSlots(scope))) return { at: "full", isHeld: true };
      // That took a while: who has come meanwhile?
      isRoomKnown = true;
      continue;
    }
    mayHaveSlipped = true;
    slice = longestSlice * (0.6 + 0.4 * context.random());
    await releaseTable(database);
    if (!(await hold(table, scope))) return await untilInDatabase(program, before, scope);
    heldSince = program.ranFor();
  }
  return { at: isInDatabase ? "session" : null, isHeld: true, mayHaveSlipped };
}

async function untilInDatabase(
  program: Asked,
  before: ReadonlySet<string>,
  { database, context }: StepScope,
): Promise<Arrival> {
  const { isOurs, isStranger } = recognise(context.runId);
  let wasStranger = false;
  while (!program.isDone()) {
    const seen = await sample(database, samples);
    if (seen.some(isOurs)) return { at: "session", isHeld: false };
    wasStranger ||= seen.some((one) => isStranger(one) && !before.has(one.moment));
  }
  return { at: wasStranger ? "session?" : null, isHeld: false };
}

/** A pooler may put the client's address behind the name. */
function recognise(runId: string) {
  const isOurs = ({ applicationName }: Visitor): boolean =>
    applicationName?.startsWith(upgradeName(runId)) === true;
  const isReplica = ({ applicationName }: Visitor): boolean =>
    /^preflight(?:-\w+)?\//.test(applicationName ?? "");
  return { isOurs, isStranger: (visitor: Visitor): boolean => !isReplica(visitor) };
}

async function hold(table: TableName, { database, context }: StepScope): Promise<boolean> {
  const deadline = context.now() + longestTry;
  for (;;) {
    context.signal.throwIfAborted();
    const result = await tryToHold(database, table);
    if (result !== "busy" || context.now() >= deadline) return result === "held";
    await context.sleep(betweenTries, context.signal);
  }
}

/** Whether one more session can be had by our own way while the table is held. */
async function hasSlots({ settings, context }: StepScope): Promise<boolean> {
  try {
    const other = await openSession(
      settings,
      { ...context, log: () => {} },
      { timeout: longestAsking },
    );
    await other.close();
    return true;
  } catch {
    context.signal.throwIfAborted();
    return false;
  }
}

/** As drivers name them, and as SQLSTATEs: lock_timeout and statement_timeout. */
const endOfWaiting: ReadonlySet<string> = new Set([
  "LockNotAvailable",
  "QueryCanceled",
  "55P03",
  "57014",
]);

function sightOf(
  { at, isHeld, mayHaveSlipped = false }: Arrival,
  told: Told,
  likeness: Likeness,
  { lines, place, ranFor }: Asked,
): Sight {
  if (!succeeded(told.end)) {
    // A limit of its own role or session has ended a wait, and here is what it had to wait for.
    const hasWaited = isHeld && endOfWaiting.has(told.error?.name ?? "");
    if (!hasWaited) return { kind: "failed", told, lines };
    return at === "table" ? { kind: "here" } : { kind: "perhaps", tookMs: ranFor() };
  }
  const isSame = likeness === "same";
  const unseen = {
    kind: "unseen",
    tookMs: ranFor(),
    place: place(),
    isInDatabase: at === "session" || isSame,
    mayHaveSlipped,
  } as const;
  switch (at) {
    case "table":
      return { kind: "here" };
    case "table?":
      return { kind: "perhaps", tookMs: ranFor() };
    case "session":
      return isHeld ? unseen : { kind: "here" };
    case "session?":
      return isSame ? { kind: "here" } : { kind: "perhaps", tookMs: ranFor() };
    case "full":
      if (likeness === "database") return unseen;
      return isSame ? { kind: "here" } : { kind: "unclear" };
    case null:
      return isSame && !isHeld ? { kind: "here" } : unseen;
  }
}
