import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { CannotJudge, systemCode } from "../core/outcome.ts";
import { type Command, type Context, type Ending, ready } from "../engine/context.ts";
import { historyFlags } from "../settings/command-line.ts";
import type { Settings } from "../settings/settings.ts";
import { isDirectory } from "../tools/files.ts";
import { findHistory, refuseOthers } from "../tools/registry.ts";
import type { Candidate, NewFile, NewFiles, NoNewFiles, Tool } from "../tools/tool.ts";

export const newMigration: Command = {
  name: "new",
  usage: "preflight new NAME [flags]",
  about: "no database: write the next file of a sql or supabase history, with its header",
  flags: historyFlags,
  connects: null,
  prints: "verdict",
  starts: false,
  words: { most: 1, read: ([word], faults) => readName(word ?? null, faults) },
  becomes: null,
  start: writeNext,
};

/** A file's name has 255 bytes, of which the number and the extension need some. */
const longestName = 100;

/** `Add customer e-mail` → `add_customer_e_mail`. */
function readName(word: string | null, usage: string[]): readonly string[] {
  if (word === null) {
    usage.push("preflight new needs a name: preflight new add_customer_email");
    return [];
  }
  const name = word
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
  const isPath = /[/\\]|^\.|\.sql$/i.test(word);
  if (isPath || name === "" || name.length > longestName) {
    usage.push(
      "the name of a migration must be a few words, and no path: preflight new add_customer_email",
    );
  }
  return [name];
}

/** Writes the next file of a history. Of the others only the names count: a broken history can go on. */
async function writeNext(settings: Settings, context: Context): Promise<Ending> {
  const [name = ""] = settings.words;
  const { tool, files, directory } = await choosePlace(name, settings, context);
  context.record.tool = tool.name;
  const beside = await listNames(directory, context);
  const written = files.next(name, beside, new Date());
  for (const file of written) await writeNew(file, directory, context);
  context.log({
    level: "warn",
    event: "new.empty",
    msg: `${written[0]?.file} has no statement yet: ${files.whileEmpty}`,
  });
  return ready;
}

type Place = { readonly tool: Tool; readonly files: NewFiles; readonly directory: string };

async function choosePlace(name: string, settings: Settings, context: Context): Promise<Place> {
  const { cwd, tools } = context;
  const found = await findCandidate(settings, context);
  const named = tools.find((tool) => tool.name === settings.tool) ?? null;
  const tool = found?.tool ?? named;
  if (tool?.newFiles.kind === "tool") throw writesItself(tool.newFiles, name, tools);
  if (found !== null && found.tool.newFiles.kind === "files")
    return {
      tool: found.tool,
      files: found.tool.newFiles,
      directory: path.resolve(cwd, found.place),
    };
  const wanted = settings.migrations === null ? null : path.resolve(cwd, settings.migrations);
  for (const each of named === null ? tools : [named]) {
    if (each.newFiles.kind !== "files") continue;
    const isNamed = named !== null;
    const directory = await each.newFiles.placeFor({ cwd, path: wanted, isNamed });
    if (directory === null) continue;
    // A file of ours among theirs would make a history that neither reads.
    const refusal = await refuseOthers(directory, path.relative(cwd, directory));
    if (refusal !== null) throw refusal;
    return { tool: each, files: each.newFiles, directory };
  }
  throw new CannotJudge("missing-input", `no migration history was found in ${cwd}`, [
    `say where it shall be: preflight new ${name} --migrations migrations`,
  ]);
}

function writesItself(
  { why, command }: NoNewFiles,
  name: string,
  tools: readonly Tool[],
): CannotJudge {
  const others = tools.filter(({ newFiles }) => newFiles.kind === "files");
  const flags = others.map((other) => `--tool ${other.name}`).toSorted();
  return new CannotJudge("config", why, [
    command(name),
    `where there is a history of SQL files beside it: ${flags.join(" or ")}`,
  ]);
}

async function findCandidate(
  { migrations, tool }: Settings,
  { cwd, env, tools }: Context,
): Promise<Candidate | null> {
  try {
    return await findHistory({ cwd, env, migrations, tool }, tools);
  } catch (error) {
    if (error instanceof CannotJudge && error.outcome === "missing-input") return null;
    throw error;
  }
}

/** Of what is in the directory, which is made where it is missing. */
async function listNames(directory: string, { cwd }: Context): Promise<readonly string[]> {
  try {
    if (!(await isDirectory(directory))) await mkdir(directory);
    return await readdir(directory);
  } catch (error) {
    const place = path.relative(cwd, directory);
    throw new CannotJudge(
      "missing-input",
      `${place} cannot be made or read (${systemCode(error)})`,
      [`make the directory: mkdir -p ${place}`, "or name another one: --migrations PATH"],
    );
  }
}

/** Never over a file that is there. */
async function writeNew(
  { file, text }: NewFile,
  directory: string,
  { cwd, log }: Context,
): Promise<void> {
  const place = path.relative(cwd, path.join(directory, file));
  try {
    await writeFile(path.join(directory, file), text, { flag: "wx" });
  } catch (error) {
    throw new CannotJudge("missing-input", `${place} cannot be written (${systemCode(error)})`, [
      systemCode(error) === "EEXIST"
        ? "somebody else has just written it: start again, for another number"
        : "check the directory and its permissions",
    ]);
  }
  log({ level: "info", event: "new.written", msg: `written: ${place}`, file: place });
}
