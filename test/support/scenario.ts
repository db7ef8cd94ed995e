import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Cause } from "../../src/core/refusals.ts";
import type { VerdictLine } from "../../src/report/verdict-schema.ts";
import type { NumberedExample } from "./numbered.ts";

/** One folder of test/scenarios: how a database and an image came to be, and what must come of it. */
export type Scenario = {
  readonly name: string;
  /** What has happened, in a few words of a person. */
  readonly title: string;
  /** The application whose image and database it is; without it, `shop` with its Alembic history. */
  readonly example?: Example;
  /** The revision to which the database is taken first, by real Alembic or file by file; null: no migration ran. */
  readonly at: string | null;
  /** What happens to the database then. */
  readonly sql?: readonly string[];
  /** Files taken out of the image; what the scenario's folder `image/` holds is put into it. */
  readonly remove?: readonly string[];
  /** `baked` (default): of the example as it is; `none`. */
  readonly ledger?: "baked" | "rebaked" | "none";
  readonly flags?: readonly string[];
  readonly expect: Expectation;
};

export type Example = "shop" | NumberedExample;

type Expectation = Pick<VerdictLine, "exit" | "outcome" | "verdict"> &
  Partial<Omit<VerdictLine, "actions">> & {
    /** Kinds of actions, in order. */
    readonly actions?: readonly string[];
    /** Of a refusal: the row of the table of refusals. */
    readonly cause?: Cause;
    /** Texts that the log must hold. */
    readonly log?: readonly string[];
  };

const home = path.join(import.meta.dirname, "../scenarios");

export function scenarioPath(name: string): string {
  return path.join(home, name);
}

export function readScenarios(): readonly Scenario[] {
  return readdirSync(home, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => ({
      ...(JSON.parse(readFileSync(path.join(home, name, "scenario.json"), "utf8")) as Scenario),
      name,
    }));
}
