import { fixedSchema } from "./alembic-tool.ts";
import type { Violation } from "./violations.ts";
import type { World } from "./world.ts";

/**
 * Wrong answers that are known and not yet mended, each with what it is about. They are counted apart and do not fail a
 * run; an entry goes as soon as its fault does.
 */
const known: readonly {
  readonly about: string;
  readonly isIt: (world: World, violation: Violation) => boolean;
}[] = [
  {
    about: "--schema: numbered files are applied where the search_path leads",
    isIt: ({ home }) => home === "flag",
  },
  {
    about:
      "the ledger of a program that takes its schema from a variable holds for the bake's alone",
    isIt: ({ home, homeName }) => home === "variable" && homeName !== fixedSchema,
  },
  {
    about:
      "a program that sets the path itself upgrades another schema than the one that was judged",
    isIt: ({ home, ledger }) =>
      (home === "program" || home === "variable") &&
      (ledger === "absent" || ledger === "first-release"),
  },
  {
    about: "outside of public a ledger of the first release hides what tables the files make",
    isIt: ({ ledger, neighbour }, { kind }) =>
      ledger === "first-release" &&
      neighbour === "unclaimed-copy" &&
      kind === "should-have-refused",
  },
  {
    about:
      "a database without version rows is taken over, though nobody saw its data migrations run",
    isIt: ({ state }, { kind }) =>
      state === "schema-only" && ["should-have-refused", "false-row", "false-ready"].includes(kind),
  },
  {
    about: "a unique index of somebody else on the history's table is tolerated",
    isIt: ({ state }, { kind }) => state === "unique-index-added" && kind === "should-have-refused",
  },
  {
    about: "another application's rows with numbers of ours are taken for ours, edited",
    isIt: ({ table, pick }) => table === "taken" && pick % 3 === 0,
  },
  {
    about: "what was reverted by hand is done once more, its rows of data too",
    isIt: ({ state }, { kind }) => state === "column-dropped" && kind === "ran-twice",
  },
];

/** @returns null: not known */
export function knownFault(world: World, violation: Violation): string | null {
  return known.find(({ isIt }) => isIt(world, violation))?.about ?? null;
}
