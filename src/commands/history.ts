import { readJournal } from "../database/journal.ts";
import { type Command, type Context, type Ending, ready } from "../engine/context.ts";
import { openSession } from "../engine/session.ts";
import { journalTable } from "../report/journal-table.ts";
import type { Settings } from "../settings/settings.ts";

export const history: Command = {
  name: "history",
  usage: "preflight history [flags]",
  about: "what Preflight has written into this database, from its journal; needs no files",
  flags: ["timeout", "env-file", "json", "verbose"],
  connects: "database",
  prints: "document",
  starts: false,
  words: null,
  becomes: null,
  start: listEntries,
};

async function listEntries(settings: Settings, context: Context): Promise<Ending> {
  const database = await openSession(settings, context);
  try {
    const entries = await readJournal(database);
    if (entries === null || entries.length === 0) {
      const msg =
        "there is no journal that this role can read: no run has written anything, or none was allowed to keep one";
      context.log({ level: "info", event: "journal.none", msg });
      return ready;
    }
    if (settings.json) context.print({ journal: entries });
    else for (const line of journalTable(entries)) context.print(line);
    return ready;
  } finally {
    await database.close();
  }
}
