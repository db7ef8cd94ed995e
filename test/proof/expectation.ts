import { dataAt, isLeftUnsaid } from "./build.ts";
import { hard, type Lines, type ProofImage, withoutIndexes } from "./image.ts";
import type { World } from "./world.ts";

/** What a right answer is. */
export type Expectation =
  /** Exit 0, and nothing is written. */
  | { readonly kind: "start" }
  /** Exit 0, and every revision has run once. */
  | { readonly kind: "act" }
  /** No exit 0, and nothing is written. */
  | { readonly kind: "refuse"; readonly because: string }
  /** One of these two: to act rightly, or to refuse. */
  | { readonly kind: "either"; readonly because: string };

/** @param before the schema as the program finds it */
export function expectationOf(world: World, image: ProofImage, before: Lines): Expectation {
  const { home, homeName, access, state, at, table, neighbour, ledger, pick } = world;
  const { history } = image;
  const count = history.revisions.length;
  const states = homeName === "public" ? image.states.public : image.states.other;
  const isChosen = home !== "public";
  const isVerified =
    ledger === "verified" ||
    ledger === "own-table" ||
    (ledger === "first-release" && homeName === "public");
  const isHealthy = ["fresh", "behind", "head", "rows-gone", "restored"].includes(state);
  const either = (because: string): Expectation => ({ kind: "either", because });
  const well: Expectation = { kind: at === count ? "start" : "act" };

  if (isLeftUnsaid(world))
    return { kind: "refuse", because: "Home: if that comes from a variable, --schema is required" };
  if (
    (home === "program" || home === "variable") &&
    (ledger === "absent" || ledger === "first-release")
  )
    return either("only a bake sees that the tool's own program sets the path");
  if (home === "flag" && history.tool === "alembic" && at < count)
    return either("the tool's own program does not go by --schema");
  if (table === "taken" && pick % 2 === 1 && ledger !== "own-table")
    return either("a neighbour's rows stand in the place of ours, and nobody says where ours are");
  if (home === "second-in-path") return second();
  if (state === "fresh") return fresh();
  if (isHealthy) return well;
  if (!isVerified) return either("without a verified ledger nobody can tell the rest");
  switch (state) {
    case "index-dropped":
      return either("a plain index that is missing is reported, or made again with its revision");
    case "index-added":
      return well;
    case "unique-index-added":
      return { kind: "refuse", because: "a unique index on the history's table is not harmless" };
    case "column-dropped":
      return isSomeState()
        ? either("the schema is exactly another state's")
        : { kind: "refuse", because: "something of the recorded state is missing" };
    case "half-done":
      // What is left of one may be just what a later one leaves.
      if (isSomeState()) return either("the schema is exactly another state's");
      return makesWhatIsMissing()
        ? either("it says IF NOT EXISTS, and makes what is missing")
        : { kind: "refuse", because: "a migration stopped half-way" };
    case "interrupted":
      return { kind: "refuse", because: "a migration stopped half-way" };
    case "schema-only":
      return history.revisions.slice(0, at).some(({ writes }) => writes)
        ? { kind: "refuse", because: "known: data. Nobody saw the data migrations below run" }
        : unversioned();
    case "unversioned-empty":
    case "unversioned-dropped":
      return unversioned();
    case "unknown-row":
      return at === count ? { kind: "start" } : either("a row that nobody knows");
    case "rows-later":
    case "rows-earlier":
    case "made-by-hand":
      return either("rows and schema disagree");
    default:
      return either("not said");
  }

  function second(): Expectation {
    if (!isHealthy) return either("the home is not where CREATE would go");
    return at === count
      ? { kind: "start" }
      : {
          kind: "refuse",
          because: "Home: CREATE would go to another schema, and something is pending",
        };
  }

  function fresh(): Expectation {
    if (access === "unreadable" && (neighbour === "tenant" || neighbour === "tenant-behind"))
      return either("Home: whether an unreadable version table claims its schema is not known");
    if (home === "program" && neighbour === "unclaimed-copy")
      return either("whether a program's own schema is chosen is not said");
    if (neighbour === "unclaimed-copy" && home !== "flag" && home !== "variable")
      return {
        kind: "refuse",
        because: "Home: objects of this history elsewhere count if they are unclaimed",
      };
    if ((neighbour === "tenant" || neighbour === "tenant-behind") && !isChosen)
      return { kind: "refuse", because: "Home: they count if the home was not chosen" };
    if (neighbour === "other-history" || table === "taken")
      return either("another application's tables are in the home");
    return { kind: "act" };
  }

  function unversioned(): Expectation {
    if ((neighbour === "tenant" || neighbour === "tenant-behind") && !isChosen)
      return either("Which version table: another one is live, and the home was not chosen");
    if (table === "leftover")
      return either("Which version table: one that was left behind may be the one that counts");
    if (history.revisions.slice(0, Math.max(at, dataAt(world))).some(({ writes }) => writes))
      return either("Data that nobody saw run");
    if (neighbour === "other-tool") return either("another tool's rows are evidence");
    return isAmbiguous() ? either("several states have these facts") : { kind: "act" };
  }

  function makesWhatIsMissing(): boolean {
    const stopped = history.revisions[at];
    return stopped?.writes === false && /IF NOT EXISTS/.test(stopped.statements.join(" "));
  }

  function isSomeState(): boolean {
    return states.some((lines) => lines.join("\n") === before.join("\n"));
  }

  function isAmbiguous(): boolean {
    const next = states[at + 1];
    if (
      history.revisions[at]?.writes === true &&
      next !== undefined &&
      withoutIndexes(next) === withoutIndexes(states[at]!)
    )
      return true;
    return states.some((lines, index) => index !== at && hard(lines) === hard(states[at]!));
  }
}
