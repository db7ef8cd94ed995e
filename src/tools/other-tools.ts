import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { exists, openFile } from "./files.ts";

/** A migration in the form of a tool that this version does not read. */
export type OtherFile = {
  /** Path below the directory, with forward slashes. */
  readonly file: string;
  /** What it is, and whose; null: of a program that nothing tells. */
  readonly what: string;
  readonly tool: string | null;
  /** How it becomes one of numbered SQL files. */
  readonly way: string;
};

/** `a migration of Flyway` */
export function nameOther({ what, tool }: Omit<OtherFile, "file">): string {
  return tool === null ? what : `${what} of ${tool}`;
}

/** The migrations of other tools in a directory, by the files' names and a look into what is no SQL; sorted. */
export async function findOthers(directory: string): Promise<readonly OtherFile[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map(async (entry) =>
      entry.isDirectory()
        ? await inFolder(join(directory, entry.name))
        : otherFile(entry.name, directory),
    ),
  );
  const isOfPlan =
    basename(directory) === "deploy" && (await exists(join(directory, "../sqitch.plan")));
  const ofPlan = isOfPlan ? [{ file: "../sqitch.plan", ...sqitch }] : [];
  return [...found.flatMap((other) => other ?? []), ...ofPlan].toSorted((a, b) =>
    a.file < b.file ? -1 : 1,
  );
}

/** A migration that has a folder to itself. */
async function inFolder(folder: string): Promise<OtherFile | null> {
  const name = basename(folder);
  const entries: readonly string[] = /^\d/.test(name) ? await readdir(folder).catch(() => []) : [];
  for (const [file, ofTool] of Object.entries(ofFolders))
    if (entries.includes(file)) return { file: `${name}/${file}`, ...ofTool };
  return null;
}

function otherFile(name: string, directory: string): OtherFile | null {
  if (name === "sqitch.plan") return { file: name, ...sqitch };
  if (flywaysName.test(name)) return { file: name, ...flyway };
  if (isNoMigration.test(name)) return null;
  if (numberedCode.test(name)) {
    const tool = toolOfCode(readText(name, directory));
    const what = tool === null ? `code (${name.replace(/.*\./, ".")})` : "a migration";
    return { file: name, what, tool, way: asSql };
  }
  const isChangelog =
    /\.(?:xml|ya?ml|json)$/i.test(name) && readText(name, directory).includes("databaseChangeLog");
  return isChangelog ? { file: name, ...liquibase } : null;
}

/** Where no file is a migration by its name, what is in them tells; one folder down too. */
export async function findHistoryOfOthers(directory: string): Promise<readonly OtherFile[]> {
  const here = await othersByText(directory);
  if (here.length > 0) return here;
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const below = await othersByText(join(directory, name));
    if (below.length > 0)
      return below.map((other) => ({ ...other, file: `${name}/${other.file}` }));
  }
  return [];
}

async function othersByText(directory: string): Promise<readonly OtherFile[]> {
  const byName = await findOthers(directory);
  if (byName.length > 0) return byName;
  const names: readonly string[] = await readdir(directory).catch(() => []);
  return names.toSorted().flatMap((file): readonly OtherFile[] => {
    const isSql = /\.sql$/i.test(file);
    if (!isSql && !isCode(file)) return [];
    const text = readText(file, directory);
    if (isSql && isLiquibaseSql(text)) return [{ file, ...liquibase }];
    const tool = isSql ? findMarks(text, "up")[0]?.tool : toolOfCode(text);
    const way = isSql ? "number it, and give its part for down a file of its own" : asSql;
    return tool === null || tool === undefined ? [] : [{ file, what: "a migration", tool, way }];
  });
}

/** Empty where it cannot be read. */
function readText(name: string, directory: string): string {
  const open = openFile(join(directory, name), directory);
  return "bytes" in open ? open.bytes.toString("utf8") : "";
}

/** A program, or a migration that only a program can run. */
export function isCode(file: string): boolean {
  return code.test(file);
}

const code = /\.(?:go|[cm]?[jt]sx?|py|rb|php|exs?|cs|java|kts?|rs|pl|sh)$/i;
const numberedCode = new RegExp(`^(?:\\d+|\\d{8}[a-z])(?:[-_. ].*)?${code.source}`, "i");

/** A test, a declaration, or what undoes a migration. */
const isNoMigration = /(?:_test\.(?:go|py|exs)|\.(?:test|spec|d|down)\.\w+)$/i;

/** `V1__a.sql`, `V1.2__a.sql`, `R__a.sql`, also in Java or Rust. */
const flywaysName = /^(?:[VUB]\d[\d._]*|R)__.*\.(?:sql|java|kt|rs)$/;

type OfTool = Omit<OtherFile, "file">;

const flyway: OfTool = {
  what: "a migration",
  tool: "Flyway or refinery",
  way: "name it 001_NAME.sql, with a whole number and no V",
};

const ofFolders: Readonly<Record<string, OfTool>> = {
  "up.sql": {
    what: "a migration",
    tool: "Diesel or Hasura",
    way: "move it out of its folder, as NUMBER_NAME.up.sql",
  },
  "migration.sql": {
    what: "a migration",
    tool: "Prisma or Drizzle",
    way: "move it out of its folder, as NUMBER_NAME.sql",
  },
};

const sqitch: OfTool = {
  what: "the plan",
  tool: "Sqitch",
  way: "number the deploy scripts in its order, 001_NAME.sql",
};

const liquibase: OfTool = {
  what: "a changelog",
  tool: "Liquibase",
  way: "make a file of each changeset in its order, 001_NAME.sql",
};

const asSql = "write it as SQL, NUMBER_NAME.sql";

function toolOfCode(text: string): string | null {
  return signs.find(([, sign]) => sign.test(text))?.[0] ?? null;
}

/** By which a tool's code shows. */
const signs: readonly (readonly [tool: string, sign: RegExp])[] = [
  ["goose", /\bgoose\.Add/],
  ["TypeORM", /\bMigrationInterface\b/],
  ["Sequelize", /\bqueryInterface\b/i],
  ["node-pg-migrate", /\bpgm\b/],
  ["Knex", /\bknex\b/i],
  ["Kysely", /\bkysely\b/i],
  ["Rails", /\bActiveRecord::Migration\b/],
  ["Laravel", /Illuminate\\Database\\Migrations/],
  ["Django", /\bmigrations\.Migration\b/],
  ["Ecto", /\bEcto\.Migration\b/],
  ["MikroORM", /@mikro-orm\//],
  ["Doctrine", /\bDoctrine\\Migrations\b/],
  ["Entity Framework", /\bMigrationBuilder\b/],
];

// In the text of SQL files

/** How tools mark the two directions of a file, each in a line of its own. */
const marks = {
  up: marksOf("up"),
  down: marksOf("down"),
};

function marksOf(direction: string): readonly (readonly [tool: string, mark: RegExp])[] {
  const inLine = (mark: string) => new RegExp(`^([ \\t]*)--${mark}\\b`, "gim");
  return [
    ["dbmate", inLine(`[ \\t]*migrate:${direction}`)],
    ["goose", inLine(`[ \\t]*\\+[ \\t]*goose[ \\t]+${direction}`)],
    ["sql-migrate", inLine(`[ \\t]*\\+[ \\t]*migrate[ \\t]+${direction}`)],
    ["node-pg-migrate", inLine(`[ \\t-]*${direction}[ \\t]+migration`)],
  ];
}

/** Which tool marks this direction in a file, and where, in UTF-16 units. */
export function findMarks(
  text: string,
  direction: "up" | "down",
): readonly { readonly tool: string; readonly at: number }[] {
  // Most files hold none of them.
  if (!/migrat|goose/i.test(text)) return [];
  return marks[direction].flatMap(([tool, mark]) =>
    [...text.matchAll(mark)].map((match) => ({ tool, at: match.index + (match[1] ?? "").length })),
  );
}

export function isLiquibaseSql(text: string): boolean {
  return /^\s*--[ \t]*liquibase formatted sql\b/i.test(text);
}

/** Where goose begins to put variables of the environment into a file, in UTF-16 units; -1: nowhere. */
export function findSubstitution(text: string): number {
  return text.search(/^[ \t]*--[ \t]*\+[ \t]*goose[ \t]+envsub[ \t]+on\b/im);
}
