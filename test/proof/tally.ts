import type { CaseReport } from "./prove.ts";
import {
  accessKinds,
  homeKinds,
  isCopy,
  ledgerKinds,
  neighbourKinds,
  placeKinds,
  stateKinds,
  tableKinds,
} from "./world.ts";

/** Every kind of each dimension of a proof. */
export type Dimensions = Readonly<Record<string, readonly string[]>>;

/** THE table of what the proof of worlds varies, and every kind that must be met often enough. */
export const worldDimensions = {
  home: homeKinds,
  neighbour: neighbourKinds,
  "neighbour's copy": [...placeKinds, ...accessKinds],
  state: stateKinds,
  "version table": tableKinds,
  ledger: ledgerKinds,
  tool: ["sql", "alembic"],
  names: ["bare", "public", "own"],
  journal: ["keyed", "plain"],
  transactions: ["atomic", "outside", "interrupted"],
  history: [
    "table",
    "column",
    "index",
    "view",
    "function",
    "enum",
    "constraint",
    "retype",
    "comment",
    "update",
    "insert",
    "data",
    "revert",
    "nothing",
    "concurrently",
    "two",
    "lenient",
  ],
} as const satisfies Dimensions;

/** The kinds that a case has. */
export function kindsOfWorld({
  world,
  image: { history },
}: CaseReport): Readonly<Record<keyof typeof worldDimensions, readonly string[]>> {
  const deeds = history.revisions.flatMap((revision) => revision.deeds);
  const isOutside = history.revisions.some(({ outside }) => outside);
  const text = history.revisions.flatMap(({ statements }) => statements).join("\n");
  return {
    home: [world.home],
    neighbour: [world.neighbour],
    "neighbour's copy": isCopy(world) ? [world.place, world.access] : [],
    state: [world.state],
    "version table": [world.table],
    ledger: [world.ledger],
    tool: [history.tool],
    names: [history.naming],
    journal: [history.journal],
    transactions: [
      world.state === "interrupted" ? "interrupted" : isOutside ? "outside" : "atomic",
    ],
    history: [...deeds, ...(/IF NOT EXISTS|OR REPLACE/.test(text) ? ["lenient"] : [])],
  };
}

/** How often each kind was met. */
export class Tally {
  readonly #dimensions: Dimensions;
  readonly #counts = new Map<string, number>();

  constructor(dimensions: Dimensions) {
    this.#dimensions = dimensions;
  }

  /** @param met by one case, by dimension */
  add(met: Dimensions): void {
    for (const [dimension, kinds] of Object.entries(met))
      for (const kind of new Set(kinds)) {
        const key = `${dimension}\0${kind}`;
        this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
      }
  }

  /** One line a dimension. */
  lines(): readonly string[] {
    return Object.entries(this.#dimensions).map(
      ([dimension, kinds]) =>
        `${dimension}: ${kinds.map((kind) => `${kind} ${this.#count(dimension, kind)}`).join(", ")}`,
    );
  }

  /** Kinds that were met less often than that. */
  lacking(least: number): readonly string[] {
    return Object.entries(this.#dimensions).flatMap(([dimension, kinds]) =>
      kinds
        .filter((kind) => this.#count(dimension, kind) < least)
        .map((kind) => `${dimension} ${kind} (${this.#count(dimension, kind)})`),
    );
  }

  #count(dimension: string, kind: string): number {
    return this.#counts.get(`${dimension}\0${kind}`) ?? 0;
  }
}
