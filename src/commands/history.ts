import { mostEntries, readJournal } from "../database/journal.ts";
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
    const read = await readJournal(database, null);
    const entries = typeof read === "string" ? [] : read;
    if (typeof read === "string") context.log({ level: "info", event: "journal.none", msg: read });
    if (settings.json) context.print({ journal: entries });
    else if (entries.length > 0) for (const line of journalTable(entries)) context.print(line);
    if (entries.length === mostEntries) {
      const msg = `these are the newest ${mostEntries} entries; preflight.journal has what is older`;
      context.log({ level: "info", event: "journal.cut", msg });
    }
    return ready;
  } finally {
    await database.close();
  }
}
