import type { Fact, FactKind } from "./facts.ts";
import { quoteIdentifier } from "./quote.ts";
import {
  bearers,
  type LeftFact,
  madeKinds,
  mentions,
  mentionsColumn,
  type Piece,
  refersToKey,
  type Stage,
  stages,
  textOf,
} from "./repair-piece.ts";
import { nameFact } from "./words.ts";

/** What needs something that is left is left, too. Of a table that is left its parts are not named. */
export function withoutWhatNeedsLeft(
  planned: readonly Piece[],
  leftAtFirst: readonly LeftFact[],
): { readonly pieces: readonly Piece[]; readonly left: readonly LeftFact[] } {
  const left = [...leftAtFirst];
  let pieces = planned;
  for (let fresh = left.filter(({ poisons }) => poisons); fresh.length > 0;) {
    const poisoned: LeftFact[] = [];
    const kept: Piece[] = [];
    for (const piece of pieces) {
      const cause = fresh.find(({ fact }) => needs(piece, fact));
      if (cause === undefined) kept.push(piece);
      else if (!sideKinds.has(piece.fact.kind) && piece.isTail !== true) {
        const why = `it needs ${nameFact(cause.fact)}, which is left`;
        poisoned.push({ fact: piece.fact, why, poisons: true });
      }
    }
    left.push(...poisoned);
    [pieces, fresh] = [kept, poisoned];
  }
  const gone = new Set(
    left.flatMap(({ fact, poisons }) => (poisons && bearers.has(fact.kind) ? fact.object : [])),
  );
  return {
    pieces,
    left: left.filter(({ fact }) => bearers.has(fact.kind) || !gone.has(fact.object)),
  };
}

/** What goes without saying with the object that it is about. */
const sideKinds: ReadonlySet<FactKind> = new Set(["comment", "grant"]);

function needs(piece: Piece, lacking: Fact): boolean {
  if (lacking.kind === "constraint" || lacking.kind === "index")
    return refersToKey(piece.fact, lacking);
  const text = textOf(piece);
  const isNear = piece.fact.object === lacking.object || mentions(text, lacking.object);
  if (lacking.name === "") return isNear;
  return lacking.kind === "column" && isNear && mentionsColumn(text, lacking);
}

function rankOf({ fact: { kind, definition }, isTail }: Piece): number {
  if (isTail === true) return madeKinds.indexOf("column") + 0.5;
  const foreign = kind === "constraint" && definition.startsWith("FOREIGN KEY") ? 0.5 : 0;
  return madeKinds.indexOf(kind) + foreign;
}

/**
 * Each after what its text names, and after the keys that it may stand on.
 * @param writtenLater the same piece where it cannot be built before the others
 */
export function inOrder(
  pieces: readonly Piece[],
  writtenLater: (piece: Piece) => Piece,
): readonly Piece[] {
  const sorted = pieces.toSorted((one, other) => rankOf(one) - rankOf(other));
  const texts = new Map(sorted.map((piece) => [piece, textOf(piece)]));
  const done = new Map<Piece, Piece>();
  const begun = new Set<Piece>();
  for (const piece of sorted) visit(piece);
  return [...done.values()];

  /** @returns the first stage in which what stands on it can be made */
  function visit(piece: Piece): Stage {
    const made = done.get(piece);
    if (made !== undefined) return readyAt(made);
    // A circle: the one that is made first does without.
    if (begun.has(piece)) return stages.labels;
    begun.add(piece);
    const text = texts.get(piece) ?? "";
    const stands = sorted.filter((other) => other !== piece && standsOn(piece, text, other));
    const earliest = Math.max(stages.labels, ...stands.map(visit)) as Stage;
    const placed = notBefore(earliest, piece, writtenLater);
    done.set(piece, placed);
    return readyAt(placed);
  }
}

function standsOn(piece: Piece, text: string, other: Piece): boolean {
  const [fact, made] = [piece.fact, other.fact];
  if (other.isTail === true || made.kind === "comment" || made.kind === "grant") return false;
  const isLater = rankOf(piece) > rankOf(other);
  switch (made.kind) {
    case "schema":
      return [made.object, quoteIdentifier(made.object)].some((name) => text.includes(`${name}.`));
    case "column":
      // A child's column is its parent's.
      return (
        isLater &&
        (fact.object === made.object || fact.name === made.name || mentions(text, made.object))
      );
    case "constraint":
    case "index":
      return (
        isLater &&
        (refersToKey(fact, made) ||
          ((fact.kind === "view" || fact.kind === "matview") && mentions(text, made.object)))
      );
    default:
      return made.name === "" && mentions(text, made.object);
  }
}

function readyAt({ statements }: Piece): Stage {
  const last = Math.max(
    ...statements.map(({ stage }) => (stage === stages.validate ? stages.labels : stage)),
  ) as Stage;
  return last === stages.concurrently ? stages.after : last;
}

/** What stands on something that comes late comes late itself. */
function notBefore(earliest: Stage, piece: Piece, writtenLater: (piece: Piece) => Piece): Piece {
  const isApart = piece.statements.some(({ stage }) => stage === stages.concurrently);
  const written = isApart && earliest > stages.concurrently ? writtenLater(piece) : piece;
  return {
    ...written,
    statements: written.statements.map((each) => ({
      ...each,
      stage: Math.max(each.stage, earliest) as Stage,
    })),
  };
}
