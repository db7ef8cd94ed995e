import type { Fault } from "./errors.ts";

/** What follows from a failed attempt to connect. */
export type Retry =
  | { readonly kind: "wait" }
  /** Waiting rarely cures it: a few more tries. */
  | { readonly kind: "again"; readonly pause: number; readonly why: string }
  | { readonly kind: "refuse" };

type Grace = {
  readonly of: (fault: Fault) => boolean;
  /** In all. */
  readonly tries: number;
  /** Milliseconds before the next. */
  readonly pause: number;
  readonly why: string;
};

/**
 * What is refused only when it has been seen several times. Three logins in ten seconds do not lock an account out,
 * and meet a role or a database that is created some seconds after the server has come up.
 */
const graces: readonly Grace[] = [
  {
    of: ({ kind, code }) => kind === "permission" && code.startsWith("28"),
    tries: 3,
    pause: 4500,
    why: "the role or its password may still be on its way",
  },
  {
    of: ({ code }) => code === "3D000",
    tries: 3,
    pause: 4500,
    why: "the database may still be created",
  },
  {
    of: ({ code }) => code === "NOT_POSTGRES" || code === "BAD_MESSAGE",
    tries: 2,
    pause: 500,
    why: "something else may have had its port for a moment",
  },
];

/** @param earlier what was not waited for before this attempt */
export function retryOf(fault: Fault, earlier: readonly Fault[]): Retry {
  if (fault.kind === "unavailable" || fault.kind === "temporary") return { kind: "wait" };
  const grace = graces.find(({ of }) => of(fault));
  if (grace === undefined || earlier.filter(grace.of).length + 1 >= grace.tries)
    return { kind: "refuse" };
  return { kind: "again", pause: grace.pause, why: grace.why };
}

/** Whether another host, another address, or the same one later may do better. */
export function isWaitedFor({ kind }: Fault): boolean {
  return kind === "unavailable" || kind === "temporary";
}
