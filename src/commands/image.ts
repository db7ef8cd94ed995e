import path from "node:path";
import type { HistoryFault } from "../core/history.ts";
import { combine, type Knowledge } from "../core/knowledge.ts";
import { readLedger } from "../ledger/file.ts";
import type { Settings } from "../settings/settings.ts";
import { findHistory, type FoundHistory } from "../tools/tool.ts";
import type { World } from "./world.ts";

/** What the image holds: migration files, and the ledger baked beside them. */
export type Image = {
  readonly found: FoundHistory;
  readonly knowledge: Knowledge;
  readonly ledgerPath: string;
  readonly versionTable: { readonly schema: string | null; readonly name: string };
};

export type ImageReading =
  | { readonly kind: "image"; readonly image: Image }
  | { readonly kind: "broken"; readonly faults: readonly HistoryFault[] };

export async function readImage(settings: Settings, world: World): Promise<ImageReading> {
  const { migrations, tool } = settings;
  const found = await findHistory({ cwd: world.cwd, env: world.env, migrations, tool });
  world.draft.tool = found.tool;
  for (const warning of found.warnings)
    world.log({ level: "warn", event: "history.warning", msg: warning });
  if (found.graph.kind === "broken") return { kind: "broken", faults: found.graph.faults };

  const { history } = found.graph;
  const ledgerPath =
    settings.ledger === null
      ? path.join(found.ledgerDirectory, "preflight.ledger.json")
      : path.resolve(world.cwd, settings.ledger);
  const ledger = await readLedger(ledgerPath, history, { required: settings.ledger !== null });
  const knowledge = combine(history, ledger);
  world.draft.ledger = knowledge.status;
  world.log({
    level: "debug",
    event: "history.read",
    msg: `${history.revisions.size} revisions, heads ${history.heads.join(", ")}, ledger ${knowledge.status}`,
  });
  const versionTable = settings.versionTable ?? { schema: null, name: found.versionTable };
  return { kind: "image", image: { found, knowledge, ledgerPath, versionTable } };
}
