import type { Migration } from "../../core/migration.ts";
import type { Sketch } from "../../core/revision.ts";
import { hashOf } from "../hash.ts";
import type { UnreadableFile } from "../open-file.ts";
import { findDownPart } from "./down-part.ts";
import type { FileName } from "./file-name.ts";
import { readHeader } from "./header.ts";
import { type ParsedStatement, parseSql, placeAt } from "../../pgsql/parse.ts";
import { GaveUp } from "../../pgsql/parser.ts";
import { explainRejection, whyRefused } from "./refused.ts";
import { sketchStatement } from "../../pgsql/sketch.ts";
import { readStatements } from "./statements.ts";

export type MigrationFile =
  | { readonly kind: "migration"; readonly migration: Migration; readonly sketch: Sketch }
  | UnreadableFile;

/** `file`: path relative to the history's root, with forward slashes. */
export type NamedFile = FileName & { readonly file: string };

/** What differs from tool to tool: see `NumberedFiles`. */
type Rules = {
  readonly allowsEmpty: boolean;
  readonly whyOutside: (text: string) => string | null;
};

/** Reads one file of SQL, or says what is wrong with it. */
export async function readMigrationFile(
  named: NamedFile,
  bytes: Buffer,
  rules: Rules,
): Promise<MigrationFile> {
  const text = decode(bytes);
  if (text === null) return unreadable(named.file, [notUtf8(bytes)]);
  try {
    return await readText(named, text, rules);
  } catch (error) {
    if (error instanceof GaveUp)
      return unreadable(named.file, [{ place: null, why: error.message }]);
    throw error;
  }
}

/** A byte order mark is no part of the text. */
function decode(bytes: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

async function readText(
  { id, name, file }: NamedFile,
  text: string,
  rules: Rules,
): Promise<MigrationFile> {
  const parsed = await parseSql(text);
  if (parsed.kind === "rejected") {
    const { offset, why } = await explainRejection(text, parsed);
    return unreadable(file, [{ place: placeAt(text, offset), why }]);
  }
  const faults = findFaults(text, parsed.statements, rules);
  if (faults.length > 0) return unreadable(file, faults);
  const read = await readStatements(parsed.statements);
  const asked = rules.whyOutside(text);
  const migration: Migration = {
    id,
    name,
    file,
    checksum: hashOf(text),
    header: await readHeader(text.slice(0, parsed.statements[0]?.offset)),
    ...read,
    outside: read.outside ?? (asked === null ? null : { line: 1, why: asked }),
    recorded: null,
  };
  return {
    kind: "migration",
    migration,
    sketch: parsed.statements.flatMap(({ node }) => sketchStatement(node)),
  };
}

// Faults

type Fault = { readonly place: ReturnType<typeof placeAt> | null; readonly why: string };

function findFaults(
  text: string,
  statements: readonly ParsedStatement[],
  { allowsEmpty }: Rules,
): readonly Fault[] {
  if (statements.length === 0)
    return allowsEmpty ? [] : [{ place: null, why: "it holds no statement" }];
  const refused = statements.flatMap(({ offset, ...statement }) => {
    const why = whyRefused({ offset, ...statement });
    return why === null ? [] : [{ offset, why }];
  });
  const faults: Fault[] = refused
    .slice(0, mostFaults)
    .map(({ offset, why }) => ({ place: placeAt(text, offset), why }));
  if (refused.length > mostFaults)
    faults.push({ place: null, why: `${refused.length - mostFaults} more statements are refused` });
  const down = findDownPart(text, statements);
  if (down === null) return faults;
  const why =
    "from here on it undoes what it did: preflight runs whole files. Move this part into a file of its own, NAME.down.sql";
  return [...faults, { place: placeAt(text, down), why }];
}

/** Nobody reads more of one file. */
const mostFaults = 20;

/** At the first byte that is not what it would be if the text were written again. */
function notUtf8(bytes: Buffer): Fault {
  const again = Buffer.from(bytes.toString("utf8"));
  const at = bytes.findIndex((byte, index) => byte !== again[index]);
  const why = /^(?:\xff\xfe|\xfe\xff)/.test(bytes.toString("latin1", 0, 2))
    ? "it is UTF-16, as Windows writes it: save it as UTF-8"
    : "it is not UTF-8 here";
  return { place: placeAt(bytes.toString("utf8", 0, at), at), why };
}

function unreadable(file: string, faults: readonly Fault[]): UnreadableFile {
  return {
    kind: "unreadable",
    faults: faults.map(({ place, why }) => ({
      kind: "unreadable",
      file,
      line: place?.line ?? null,
      column: place?.column ?? null,
      why,
    })),
  };
}
