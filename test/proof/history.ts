import fc from "fast-check";
import { type Deed, type Made, doDeed, deeds } from "./deeds.ts";

/** One migration of a random history. */
export type ProofRevision = {
  readonly id: string;
  readonly name: string;
  readonly statements: readonly string[];
  /** It appends itself to the journal, which is what shows that it ran twice, or never. */
  readonly writes: boolean;
  /** It cannot run in a transaction. */
  readonly outside: boolean;
  readonly deeds: readonly Deed[];
};

/** Where its objects are: wherever the search_path leads, or some of them in a schema that the files name. */
type Naming = "bare" | "public" | "own";

export type ToolName = "sql" | "alembic";

/** Alembic's env.py: it leaves the search_path alone, or sets it to a schema that it names or that a variable names. */
export type Program = "path" | "fixed" | "variable";

export type ProofHistory = {
  readonly tool: ToolName;
  readonly program: Program;
  readonly revisions: readonly ProofRevision[];
  readonly naming: Naming;
  readonly journal: "keyed" | "plain";
};

/** The schema that a history of the naming `own` makes for itself. */
export const ownSchema = "ledgers";

const step = fc.record({
  deed: fc.constantFrom(...deeds),
  pick: fc.nat({ max: 999 }),
  isNamed: fc.boolean(),
  isLenient: fc.boolean(),
  hasData: fc.integer({ min: 0, max: 3 }).map((number) => number === 0),
});

export function anyHistory(tool: ToolName): fc.Arbitrary<ProofHistory> {
  return fc
    .record({
      program:
        tool === "sql"
          ? fc.constant<Program>("path")
          : fc.constantFrom<Program>("path", "fixed", "variable"),
      naming: fc.constantFrom<Naming>("bare", "bare", "bare", "public", "own"),
      journal: fc.constantFrom("keyed", "plain"),
      first: step,
      steps: fc.array(step, { minLength: 2, maxLength: 6, size: "max" }),
    })
    .map(({ program, naming, journal, first, steps }) => {
      let made: Made = { tables: [], removable: [], enums: [], views: 0 };
      const revisions = [{ ...first, deed: "table" as const }, ...steps].map(
        ({ deed, pick, isNamed, isLenient, hasData }, index): ProofRevision => {
          const number = index + 1;
          const id = String(number).padStart(3, "0");
          const place =
            !isNamed || naming === "bare" ? "" : `${naming === "own" ? ownSchema : naming}.`;
          const done = doDeed(deed, made, { number, pick, place, isLenient });
          made = done.made;
          const writes = done.writes || hasData;
          const beginning = index > 0 ? [] : firstStatements(naming, journal);
          return {
            id,
            name: done.deed,
            statements: [
              ...beginning,
              ...done.statements,
              ...(writes ? [noteRun(id, journal)] : []),
            ],
            writes,
            outside: done.deed === "concurrently",
            deeds: [done.deed, ...(writes && !done.writes ? (["data"] as const) : [])],
          };
        },
      );
      return { tool, program, revisions, naming, journal };
    });
}

function firstStatements(naming: Naming, journal: ProofHistory["journal"]): readonly string[] {
  const table =
    journal === "keyed"
      ? "CREATE TABLE ran (revision text PRIMARY KEY, times int NOT NULL)"
      : "CREATE TABLE ran (revision text NOT NULL)";
  return naming === "own" ? [`CREATE SCHEMA ${ownSchema}`, table] : [table];
}

function noteRun(id: string, journal: ProofHistory["journal"]): string {
  return journal === "keyed"
    ? `INSERT INTO ran VALUES ('${id}', 1) ON CONFLICT (revision) DO UPDATE SET times = ran.times + 1`
    : `INSERT INTO ran VALUES ('${id}')`;
}

/** The text of its file, as a person would write it. */
export function fileText({ statements }: ProofRevision): string {
  return statements.map((statement) => `${statement};\n`).join("");
}

/** The same effect in a transaction. */
export function togetherText({ statements }: ProofRevision): string {
  return statements.map((statement) => `${statement.replace(" CONCURRENTLY", "")};\n`).join("");
}

/** The tables that these make, as the files write their names; none is ever dropped. */
export function tablesIn(revisions: readonly ProofRevision[]): readonly string[] {
  return revisions.flatMap(({ statements }) =>
    statements.flatMap((statement) => {
      const [, table] = /^CREATE TABLE (?:IF NOT EXISTS )?(\S+) \(id /.exec(statement) ?? [];
      return table === undefined ? [] : [table];
    }),
  );
}
