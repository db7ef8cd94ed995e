import { ancestors, type Heads, type History } from "./history.ts";
import { type OpenLedger, touchesRows } from "./ledger.ts";
import type { NeighbourTable, Observation } from "./observation.ts";
import type { Denial } from "./verdict.ts";
import { nameTable } from "./version-table.ts";

/** The table of another tool that numbered these very files: the only one beside where ours is or would be. */
export function neighbourOf(history: History, observation: Observation): NeighbourTable | null {
  const home = observation.versionTable?.schema ?? observation.home.schema;
  const [only, other] = observation.neighbours.filter(({ schema }) => schema === home);
  const isOfTheseFiles =
    only !== undefined &&
    only.rows.length > 0 &&
    filesOf(history, only.rows).length === new Set(only.rows).size;
  return isOfTheseFiles && other === undefined ? only : null;
}

/** The heads that its rows stand for: it names the newest file, or every file up to the newest. With gaps it decides nothing. */
export function headsOfNeighbour(
  history: History,
  neighbour: NeighbourTable | null,
): readonly string[] | null {
  const named = filesOf(history, neighbour?.rows ?? []);
  const newest = named.at(-1);
  if (newest === undefined) return null;
  const isWhole = named.length === 1 || named.length === ancestors(history, [newest]).size;
  return isWhole ? [newest] : null;
}

/** Where a file of the proven state changes rows and is not among its rows. */
export function denialOf(
  ledger: OpenLedger,
  history: History,
  neighbour: NeighbourTable,
  proven: Heads,
): Denial | null {
  const applied = recordedBy(history, neighbour);
  const dataMigrations = [...ancestors(history, proven)].filter(
    (id) => !applied.has(id) && touchesRows(ledger, id),
  );
  return dataMigrations.length === 0 ? null : { table: nameTable(neighbour), dataMigrations };
}

/** What its rows say was applied. */
export function recordedBy(
  history: History,
  neighbour: NeighbourTable | null,
): ReadonlySet<string> {
  const named = filesOf(history, neighbour?.rows ?? []);
  return named.length === 1 ? ancestors(history, named) : new Set(named);
}

/** In the history's order. Other tools spell a number as they like: `3` is the file `003`. */
function filesOf(history: History, numbers: readonly string[]): readonly string[] {
  const bare = (text: string): string => text.replace(/^0+(?=.)/, "");
  const named = new Set(numbers.map(bare));
  return [...history.revisions.keys()].filter((id) => named.has(bare(id)));
}
