import { createHash } from "node:crypto";
import { CannotJudge } from "../core/outcome.ts";
import { lookAnewAndFinish } from "../core/ways-out.ts";
import type { Database } from "./database.ts";
import { cannotGoOn, classify, throwCannotGoOn } from "./errors.ts";
import {
  askForSlots,
  beat,
  readFreeSessions,
  readHolder,
  readIsHeld,
  tryToLock,
} from "./lock.sql.ts";
import { describeSession } from "./other-sessions.ts";
import { formatDuration, inTime, isNewsTo, type Waiting } from "./waiting.ts";

/** Held by an open, idle transaction on a connection of its own, until `release` or the end of that connection. */
export type Lock = {
  readonly key: bigint;
  /** Aborts, with a CannotJudge `temporary` as its reason, as soon as the lock is known to be lost. */
  readonly lost: AbortSignal;
  /** Whoever waits gives its session back, and comes again from time to time. Lasts as long as the lock. Never rejects. */
  readonly askForSlots: () => Promise<void>;
  /**
   * True when the lock was held to the end. False: others may have worked at the same time, `lost` says why, and
   * what was done under it is not to be trusted. Never rejects; the connection stays open.
   */
  readonly release: () => Promise<boolean>;
  /** For whoever closes the connection next, which frees it too: asks and reports nothing any more. */
  readonly abandon: () => void;
};

export type AcquireOptions = Waiting & {
  readonly key: bigint;
  /** Milliseconds; 0 tries once. */
  readonly timeout: number;
  /** Called after every try that failed; "leave" when there is nothing left to do. */
  readonly betweenPolls?: () => Promise<"stay" | "leave">;
  /** Another connection in the place of this one, after a while: the holder needs the session that this one takes. */
  readonly comeAgain?: () => Promise<Database>;
};

const shortestPause = 250;
const longestPause = 1000;
/** A child's, an upgrade's own, and some for those that come and go. */
const fewSessions = 5;
const beatInterval = 3000;
const answerDeadline = 10_000;
/** Where nobody has ever set it. */
const unknownParameter = "42704";

/** The published key: the first 8 bytes, signed and big-endian, of SHA-256("preflight/v1" NUL "schema.name"). */
export function lockKey(table: { readonly schema: string; readonly name: string }): bigint {
  const text = `preflight/v1\0${table.schema}.${table.name}`;
  return createHash("sha256").update(text).digest().readBigInt64BE(0);
}

/**
 * Polls, because a blocking wait holds a snapshot and deadlocks with CREATE INDEX CONCURRENTLY. null: `betweenPolls`
 * said leave. Throws CannotJudge `temporary` after the timeout, naming the holder; or the signal's reason.
 * The connection belongs to the lock alone.
 */
export async function acquireLock(first: Database, options: AcquireOptions): Promise<Lock | null> {
  const { clock, sleep, random, signal, log, timeout, betweenPolls, comeAgain } = options;
  const started = clock();
  const isNews = isNewsTo(clock);
  let db = first;
  let isScarce = false;

  for (;;) {
    signal.throwIfAborted();
    const mark = `${options.key}/${random()}`;
    const holder = await tryInTime(db, mark, started + timeout + answerDeadline - clock(), options);
    if (holder === null) {
      log({
        level: "debug",
        event: "lock.obtained",
        msg: "lock obtained",
        waitedMs: Math.round(clock() - started),
      });
      const lock = holdLock(db, mark, options);
      // Those that have come back since the last holder asked would be here before whoever needs a session now.
      if (isScarce) await lock.askForSlots();
      return lock;
    }
    isScarce ||= holder.wantsSlots;
    if ((await betweenPolls?.()) === "leave") return null;
    const now = clock();
    if (now - started >= timeout) throw notObtained(holder, timeout);
    if (isNews(String(holder.pid)))
      log({
        level: "info",
        event: "lock.waiting",
        msg: `waiting for the lock, held by ${describe(holder)}`,
        ...holder,
        waitedMs: Math.round(now - started),
      });
    if (holder.wantsSlots && comeAgain !== undefined) db = await comeAgain();
    else await sleep(shortestPause + random() * (longestPause - shortestPause), signal);
  }
}

/** Whether the server has hardly one left. What it does not say, nobody waits for. */
export async function isShortOfSessions(db: Database): Promise<boolean> {
  const [row] = await db.query<{ free: number }>(readFreeSessions).catch(() => []);
  return row !== undefined && row.free < fewSessions;
}

/** Whether anybody holds it: then what is seen may be work in progress. Throws CannotJudge. */
export async function isLockHeld(db: Database, key: bigint): Promise<boolean> {
  const asked = db.query<{ held: boolean }>(readIsHeld(key));
  const [row] = await asked.catch(throwCannotGoOn("looking for the lock"));
  return row?.held === true;
}

export type Holder = {
  readonly pid: number | null;
  readonly applicationName: string | null;
  readonly clientAddress: string | null;
  readonly role: string | null;
  readonly state: string | null;
  /** Start of the holder's transaction, ISO 8601; null where it holds the lock outside of one. */
  readonly since: string | null;
  readonly connectedSince: string | null;
  /** Sessions are scarce, and it needs one of those that wait. */
  readonly wantsSlots: boolean;
};

const unknownHolder: Holder = {
  pid: null,
  applicationName: null,
  clientAddress: null,
  role: null,
  state: null,
  since: null,
  connectedSince: null,
  wantsSlots: false,
};

/** One try. null: obtained, and the transaction stays open. Otherwise who holds it; no transaction is left. */
export async function tryLock(db: Database, key: bigint, mark = ""): Promise<Holder | null> {
  try {
    const answers = await db.queryAll(tryToLock(key, mark));
    if (answers.at(-1)?.[0]?.["obtained"] === true) return null;
    const [holder] = await db.query<Holder>(`ROLLBACK; ${readHolder(key)}`);
    return holder ?? unknownHolder;
  } catch (error) {
    throw cannotGoOn(error, "taking the lock");
  }
}

/** A pooler lets a try wait while its connections are busy; one whose other end is gone would wait for ever. */
async function tryInTime(
  db: Database,
  mark: string,
  milliseconds: number,
  { key, sleep, signal }: AcquireOptions,
): Promise<Holder | null> {
  const answered = new AbortController();
  const tooLate = sleep(milliseconds, AbortSignal.any([signal, answered.signal])).then(() => {
    throw new CannotJudge("temporary", "taking the lock failed: the server does not answer", [
      "run it again; behind a pooler, see that a server connection is free for each run",
    ]);
  });
  try {
    return await Promise.race([tryLock(db, key, mark), tooLate]);
  } finally {
    answered.abort();
    tooLate.catch(() => {});
  }
}

function holdLock(db: Database, mark: string, { key, sleep, log }: AcquireOptions): Lock {
  const lost = new AbortController();
  const stopped = new AbortController();
  const lose = (why: string): void => {
    if (lost.signal.aborted) return;
    log({ level: "warn", event: "lock.lost", msg: `the lock was lost: ${why}` });
    lost.abort(new CannotJudge("temporary", `the lock was lost: ${why}`, [lookAnewAndFinish]));
    stopped.abort();
  };
  void db.lost.then(() => (stopped.signal.aborted ? null : lose("its connection was closed")));
  const beating = keepBeating();

  const release = async (): Promise<boolean> => {
    stopped.abort();
    await beating;
    if (lost.signal.aborted) return false;
    const last = await beatInTime(db, mark);
    if (last !== "held") {
      lose(last);
      return false;
    }
    await db.query("ROLLBACK").catch(() => {});
    return true;
  };
  return {
    key,
    lost: lost.signal,
    askForSlots: async () => void (await db.query(askForSlots(key)).catch(() => {})),
    release,
    abandon: () => stopped.abort(),
  };

  async function keepBeating(): Promise<void> {
    const over = stopped.signal;
    while (!over.aborted) {
      await sleep(beatInterval, over).catch(() => {});
      if (over.aborted) return;
      const result = await beatInTime(db, mark);
      if (result !== "held" && !over.aborted) lose(result);
    }
  }
}

/** A connection whose other end is gone without a word would leave a question open for minutes. */
async function beatInTime(db: Database, mark: string): Promise<string> {
  return await inTime(readBeat(db, mark), answerDeadline).catch(
    () => "its connection does not answer",
  );
}

/**
 * "held", or what is wrong. The process that answers must itself hold it: behind a pooler it may be another one.
 * Each beat also keeps poolers and load balancers from taking the connection for idle.
 */
async function readBeat(db: Database, mark: string): Promise<string> {
  const other = "the server process that answers does not hold it";
  try {
    const [row] = await db.query(beat);
    return row?.["preflight.lock"] === mark ? "held" : other;
  } catch (error) {
    const { code, says } = classify(error, "session");
    return code === unknownParameter ? other : says;
  }
}

function notObtained(holder: Holder, timeout: number): CannotJudge {
  return new CannotJudge(
    "temporary",
    `the lock was not obtained within ${formatDuration(timeout)}: held by ${describe(holder)}`,
    [
      "wait for the other run, or give it more time with --lock-timeout",
      ...(holder.pid === null
        ? []
        : [`if that run is dead: SELECT pg_terminate_backend(${holder.pid})`]),
    ],
  );
}

function describe({ pid, state, since, connectedSince, ...session }: Holder): string {
  if (pid === null) return "a session that is gone by now";
  const connected = connectedSince && `connected since ${connectedSince}`;
  return describeSession({ pid, ...session }, [state, since ? `since ${since}` : connected]);
}
