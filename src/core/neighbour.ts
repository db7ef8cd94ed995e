import { ancestors, type Heads, type History } from "./history.ts";
import { type OpenLedger, touchesRows } from "./ledger.ts";
import { partsOf } from "./migration-tool.ts";
import type { NeighbourTable, Observation } from "./observation.ts";
import type { Denial } from "./verdict.ts";
import { nameTable } from "./version-table.ts";

/** The table of another tool that numbered these very files: the only one beside where ours is or would be. */
export function neighbourOf(history: History, observation: Observation): NeighbourTable | null {
  const home = observation.versionTable?.schema ?? observation.home.schema;
  const [only, other] = observation.neighbours.filter(({ schema }) => schema === home);
  if (only === undefined || other !== undefined || only.rows.length === 0) return null;
  const isOfTheseFiles = only.rows.every((row) => filesOf(history, [row]).length > 0);
  return isOfTheseFiles ? only : null;
}

/** The heads that its rows stand for: it names the newest file, or every file up to the newest. With gaps it decides nothing. */
export function headsOfNeighbour(
  history: History,
  neighbour: NeighbourTable | null,
): readonly string[] | null {
  const rows = neighbour?.rows ?? [];
  const named = filesOf(history, rows);
  const newest = named.at(-1);
  if (newest === undefined) return null;
  const below = [...ancestors(history, [newest])];
  if (below.some(sharesNumber)) return null;
  const isWhole = rows.length === 1 || named.length === below.length;
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

/** What its rows say was applied. Of files that share a number, a number does not say which. */
export function recordedBy(
  history: History,
  neighbour: NeighbourTable | null,
): ReadonlySet<string> {
  const rows = neighbour?.rows ?? [];
  const named = filesOf(history, rows);
  const applied = rows.length === 1 ? ancestors(history, named) : named;
  return new Set([...applied].filter((id) => !sharesNumber(id)));
}

/** Such a file has its name in its version. */
function sharesNumber(id: string): boolean {
  return partsOf(id).name !== "";
}

/** In the history's order. Other tools spell a number as they like: `3` is the file `003`. */
function filesOf(history: History, numbers: readonly string[]): readonly string[] {
  const bare = (text: string): string => text.replace(/^0+(?=.)/, "");
  const named = new Set(numbers.map(bare));
  return [...history.revisions.keys()].filter((id) => named.has(bare(partsOf(id).number)));
}
