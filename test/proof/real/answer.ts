import { ancestors } from "../../../src/core/history.ts";
import type { Said } from "../../support/in-process.ts";
import type { Project } from "./project.ts";
import { contentsOf, type Walk } from "./walk.ts";

/** What the program makes of a database whose version rows are gone, from best to worst. */
export const answerKinds = [
  "exact",
  "later",
  "ambiguous",
  "unseen",
  "unrecognised",
  "WRONG",
] as const;

export type Answer = {
  readonly kind: (typeof answerKinds)[number];
  /** What it says; of an exact answer nothing. */
  readonly why: string;
  /** Data migrations that a refusal names. */
  readonly because: readonly string[];
};

/** With its version rows a database that was made by these very files is healthy. Null: so it was found. */
export function faultWithRows(
  { exit, line }: Said,
  heads: readonly string[],
  isNewest: boolean,
): string | null {
  const { missing, changed, extra } = line.drift;
  const expected = isNewest ? "current" : "behind";
  if (exit === 0 && line.verdict === expected && missing + changed + extra === 0)
    return isSame(line.proven ?? [], heads) ? null : `proven ${name(line.proven ?? [])}`;
  return `${line.verdict}, exit ${exit}, drift ${JSON.stringify(line.drift)}: ${line.reason}`;
}

/** @param heads where the database is */
export async function judge(
  said: Said,
  heads: readonly string[],
  project: Project,
  walk: Walk,
): Promise<Answer> {
  const why = `${said.line.verdict}, exit ${said.exit}: ${refusalIn(said)}`;
  const { proven } = said.line;
  if (said.exit === 0 && proven === null)
    return { kind: "WRONG", why: `acts without a proof: ${why}`, because: [] };
  if (said.exit === 0) {
    const kind = isSame(proven!, heads) ? "exact" : "later";
    return await judgeState(proven!, { kind, why: "", because: [] });
  }
  const unseen =
    /exactly that of (.*?), but there are no version rows.*? migrations ran: (.*)$/.exec(why);
  if (unseen !== null) {
    const because = revisionsIn(unseen[2]!, project);
    return await judgeState(headsIn(unseen[1]!), { kind: "unseen", why, because });
  }
  const ambiguous = /exactly what (.*?) make; between them lies .*?: (.*)$/.exec(why);
  if (ambiguous === null) return { kind: "unrecognised", why, because: [] };
  const candidates = ambiguous[1]!.split(" and ").map(headsIn);
  const isNamed = candidates.some((each) => isSame(each, heads));
  const because = revisionsIn(ambiguous[2]!, project);
  return { kind: isNamed ? "ambiguous" : "WRONG", why, because };

  async function judgeState(named: readonly string[], good: Answer): Promise<Answer> {
    if (isSame(named, heads)) return good;
    const fault = await faultOfLater(named);
    if (fault === null) return { ...good, why: `it says ${name(named)} ${good.why}`.trimEnd() };
    return { ...good, kind: "WRONG", why: `it says ${name(named)}: ${fault} (${why})` };
  }

  /** Whoever stamps a later state passes over what lies between: it must have nothing to do here. */
  async function faultOfLater(later: readonly string[]): Promise<string | null> {
    const included = ancestors(project.history, later);
    if (!heads.every((head) => included.has(head))) return "that is no later state";
    return await walk.withCopy(async ({ url }) => {
      const before = await contentsOf(url, project.versionTable.name);
      await project.upgrade(url, later, walk.schema);
      const after = await contentsOf(url, project.versionTable.name);
      return before === after ? null : `what lies between changes ${firstChange(before, after)}`;
    });
  }
}

/** In a list of them, each with its reason. */
function revisionsIn(list: string, { history }: Project): readonly string[] {
  return list
    .split("; ")
    .map((each) => each.split(" ")[0]!)
    .filter((word) => history.revisions.has(word));
}

function refusalIn({ log, line }: Said): string {
  const refused = log.map((text) => JSON.parse(text) as { event?: string; msg?: string });
  return refused.find(({ event }) => event === "refused")?.msg ?? line.reason ?? "";
}

function headsIn(text: string): readonly string[] {
  return text === name([]) ? [] : text.split(", ");
}

export function name(heads: readonly string[]): string {
  return heads.length === 0 ? "base (nothing applied)" : heads.join(", ");
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return [...some].sort().join() === [...others].sort().join();
}

function firstChange(before: string, after: string): string {
  const lines = new Set(before.split("\n"));
  return after.split("\n").find((line) => !lines.has(line)) ?? "what is gone";
}
