import type { Said } from "../support/in-process.ts";
import type { Sight } from "./case.ts";
import type { Expectation } from "./expectation.ts";
import { hard, type Lines, type ProofImage, withoutIndexes } from "./image.ts";
import type { World } from "./world.ts";

export type Violation = {
  readonly kind:
    | "bug"
    | "neighbour-changed"
    | "changed-though-refused"
    | "ran-twice"
    | "false-row"
    | "true-row-removed"
    | "false-ready"
    | "restless"
    | "wrote-for-nothing"
    | "should-have-refused"
    | "false-alarm";
  readonly what: string;
};

type Evidence = {
  readonly world: World;
  readonly image: ProofImage;
  readonly expectation: Expectation;
  readonly said: readonly [Said, Said];
  readonly sights: readonly [Sight, Sight, Sight];
  /** The data migrations of so many revisions have run before the program was started. */
  readonly ranBefore: number;
};

/** The invariant, and what goes against it. Nothing of this asks the program what it believes. */
export function violationsOf(evidence: Evidence): readonly Violation[] {
  const { world, image, expectation, said, sights, ranBefore } = evidence;
  const [first, second] = said;
  const [before, between, after] = sights;
  const { revisions } = image.history;
  const states = world.homeName === "public" ? image.states.public : image.states.other;
  const isReady = first.exit === 0;
  const found: Violation[] = [];
  const say = (kind: Violation["kind"], what: string): void => void found.push({ kind, what });

  if (said.some(({ exit }) => exit === 70))
    say("bug", said.map(({ line }) => line.reason).join(" | "));
  if (before.neighbours !== after.neighbours)
    say("neighbour-changed", "what is a neighbour's is not as it was");
  // A failed migration leaves what was done before it; its rows are looked at below.
  if (!isReady && first.exit !== 25 && before.picture !== between.picture)
    say("changed-though-refused", difference(before.picture, between.picture));

  for (const [index, { id, writes }] of revisions.entries()) {
    const ran = index < ranBefore ? 1 : 0;
    const now = (after.journal.get(id) ?? 0) - (before.journal.get(id) ?? 0);
    if (ran + now > 1 && !isBelieved()) say("ran-twice", `${id} ran ${ran + now} times`);
    const isAdded = after.rows.includes(id) && !before.rows.includes(id);
    if (isAdded && writes && ran + now < 1) say("false-row", `${id} is recorded and did not run`);
    const wasTrue = index < world.at && (!writes || ran === 1);
    if (before.rows.includes(id) && !after.rows.includes(id) && wasTrue)
      say("true-row-removed", `${id} had run, and its row is gone`);
    if (isReady && writes && ran + now < 1 && !isBelieved())
      say("false-ready", `${id} did not run`);
  }

  const wanted = states[revisions.length]!;
  if (isReady && !isBelieved()) {
    if (!isSame(after.schema, wanted)) say("false-ready", differenceOfLines(wanted, after.schema));
    const lacking = revisions.filter(({ id }) => !after.rows.includes(id));
    if (lacking.length > 0 && !isElsewhere())
      say("false-ready", `no row for ${lacking.map(({ id }) => id).join(", ")}`);
  }
  const isRecorded = before.rows.join() !== between.rows.join();
  if (!isReady && isRecorded && !isBelieved()) {
    const claimed = revisions.findIndex(({ id }) => !between.rows.includes(id));
    const claim = states[claimed === -1 ? revisions.length : claimed]!;
    if (hard(claim) !== hard(between.schema))
      say(
        "false-row",
        `of ${between.rows.join(", ")}: ${differenceOfLines(claim, between.schema)}`,
      );
  }
  if (isReady && (second.exit !== 0 || between.picture !== after.picture))
    say("restless", `the second start: exit ${second.exit}, ${second.line.reason}`);
  if (!isReady && second.exit !== first.exit && first.exit !== 25)
    say("restless", `exit ${first.exit}, then ${second.exit}`);

  const why = `${first.line.verdict} ${first.line.outcome}: ${first.line.reason}`;
  if (expectation.kind === "refuse" && isReady) say("should-have-refused", expectation.because);
  if (expectation.kind === "start" && isReady && before.picture !== between.picture)
    say("wrote-for-nothing", difference(before.picture, between.picture));
  if ((expectation.kind === "start" || expectation.kind === "act") && !isReady)
    say("false-alarm", why);
  return found;

  /**
   * Without a verified ledger rows are taken at their word, and with one where they lie about what no schema shows, or
   * only by a plain index: that one is missing is no reason to stop. A newer image's row stands for whatever leaves no trace.
   */
  function isBelieved(): boolean {
    const isHealthy = ["fresh", "behind", "head", "restored", "rows-gone"].includes(world.state);
    const said = isElsewhere()
      ? revisions.length
      : { "rows-earlier": world.other, "rows-later": world.other }[world.state as string];
    const isTraceless =
      said !== undefined &&
      (withoutIndexes(states[world.at]!) === withoutIndexes(states[said]!) ||
        hasOnlyViewsBesides(states[world.at]!, states[said]!));
    return (
      isTraceless ||
      (first.line.ledger !== "verified" && !isHealthy) ||
      (isElsewhere() && mayBeNewer())
    );
  }

  /** It counts on a stranger's rows, not on those that the world has put there as its own. */
  function isElsewhere(): boolean {
    const isStrangers = world.state === "unknown-row" || world.table === "taken";
    return isStrangers && first.line.verdict === "ahead";
  }

  /** All that the image needs is there, beside objects of others: they may be a newer image's. */
  function mayBeNewer(): boolean {
    const live = after.schema;
    return world.neighbour !== "none" && wanted.every((line) => live.includes(line));
  }

  function isSame(one: Lines, other: Lines): boolean {
    // A plain index that is missing is reported.
    if (world.state === "index-dropped") return withoutIndexes(one) === withoutIndexes(other);
    const text = (lines: Lines): string =>
      (world.state === "restored" ? lines.map(withoutSpelling) : lines).join("\n");
    return text(one) === text(other);
  }
}

/** A view that the rows do not tell of is in nobody's way: where data lies between, they are believed. */
function hasOnlyViewsBesides(live: Lines, claimed: Lines): boolean {
  const nameIn = (line: string): string => line.split(/\s+/)[1] ?? "";
  const besides = live.filter((line) => !claimed.includes(line));
  const views = besides.filter((line) => line.startsWith("view ")).map(nameIn);
  return (
    claimed.every((line) => live.includes(line)) &&
    besides.every((line) =>
      views.some((view) => nameIn(line) === view || nameIn(line).startsWith(`${view}.`)),
    )
  );
}

/** A definition that was read again may be spelled in another way. */
function withoutSpelling(line: string): string {
  const [kind] = line.split(" ");
  if (kind === "view" || kind === "constraint" || kind === "column")
    return line.split(/\s+/).slice(0, 3).join(" ");
  return line.replace(/ WHERE .*/, "");
}

function difference(before: string, after: string): string {
  const at = [...before].findIndex((character, index) => character !== after[index]);
  return `…${before.slice(Math.max(0, at - 60), at + 60)}… is now …${after.slice(Math.max(0, at - 60), at + 60)}…`;
}

function differenceOfLines(wanted: Lines, found: Lines): string {
  const missing = wanted.filter((line) => !found.includes(line));
  const extra = found.filter((line) => !wanted.includes(line));
  return `missing: ${missing.join("; ") || "nothing"}; besides: ${extra.join("; ") || "nothing"}`;
}
