import type { ParseResult } from "libpg-query";
import type { Instance } from "libpg-query/wasm/libpg-query.js";

/** PostgreSQL's own parser, as WebAssembly. It takes scripts without NUL that are not empty. */
export type Parser = {
  readonly parse: (script: string) => Parse;
  /** The words, marks and comments of a script that PostgreSQL takes. */
  readonly scan: (script: string) => readonly Token[];
  /** Whether the PL/pgSQL of a `DO` holds a `COMMIT` or a `ROLLBACK`. */
  readonly endsTransaction: (statement: string) => boolean;
};

type Parse =
  /** Places in the tree are bytes of UTF-8. */
  | { readonly kind: "tree"; readonly tree: ParseResult }
  | {
      readonly kind: "error";
      readonly message: string;
      /** In characters, from 1; 0: PostgreSQL does not say where. */
      readonly position: number;
    };

type Token = {
  /** In bytes of UTF-8. */
  readonly start: number;
  readonly end: number;
  readonly isComment: boolean;
};

/** The parser ran out of memory or of stack. */
export class GaveUp extends Error {
  override readonly name = "GaveUp";
  override readonly message =
    "PostgreSQL's parser ran out of memory: the file is too large, or an expression in it nested too deeply";
}

let starting: Promise<Instance> | null = null;

/** Takes some 30 ms the first time. Everything that a parser does can throw `GaveUp`. */
export async function withParser<Result>(use: (parser: Parser) => Result): Promise<Result> {
  const mine = (starting ??= startParser());
  const instance = await mine;
  // Another script may have worn it out meanwhile.
  if (mine !== starting) return await withParser(use);
  return use({
    parse: (script) => guarded(() => parse(instance, script)),
    scan: (script) => guarded(() => scan(instance, script)),
    endsTransaction: (statement) => guarded(() => endsTransaction(instance, statement)),
  });
}

async function startParser(): Promise<Instance> {
  const { readParserBinary } = await import("#parser-binary");
  const { default: start } = await import("libpg-query/wasm/libpg-query.js");
  const module = new WebAssembly.Module(await readParserBinary());
  return await start({
    instantiateWasm: (imports, receive) => receive(new WebAssembly.Instance(module, imports)),
    // PostgreSQL's account of its memory, when that runs out.
    print: () => undefined,
    printErr: () => undefined,
  });
}

/** Whatever it throws, it stopped in the middle and holds memory for ever: the next script gets a new one. */
function guarded<Result>(work: () => Result): Result {
  try {
    return work();
  } catch {
    starting = null;
    throw new GaveUp();
  }
}

function parse(instance: Instance, script: string): Parse {
  const input = write(instance, script);
  const result = instance._wasm_parse_query_raw(input);
  const parsed = readResult(instance, result);
  instance._wasm_free_parse_result(result);
  instance._free(input);
  return parsed;
}

/** As pg_query.h has it: tree, stderr, error; and the error: message, function, file, line, position. */
function readResult(instance: Instance, result: number): Parse {
  const word = (at: number): number => instance.getValue(at, "i32");
  const error = word(result + 8);
  if (error === 0) {
    const tree: unknown = JSON.parse(instance.UTF8ToString(word(result)));
    return { kind: "tree", tree: tree as ParseResult };
  }
  const message = instance.UTF8ToString(word(error));
  if (message === "out of memory") throw new RangeError(message);
  return { kind: "error", message, position: Math.max(0, word(error + 16)) };
}

function scan(instance: Instance, script: string): readonly Token[] {
  // It leaves control characters as they are, which JSON forbids.
  const json = call(instance, instance._wasm_scan, script).replace(/\p{Cc}/gu, " ");
  const { tokens } = JSON.parse(json) as Scan;
  return tokens.map(({ start, end, tokenName }) => ({
    start,
    end,
    isComment: tokenName.endsWith("_COMMENT"),
  }));
}

type Scan = {
  readonly tokens: readonly {
    readonly start: number;
    readonly end: number;
    readonly tokenName: string;
  }[];
};

function endsTransaction(instance: Instance, statement: string): boolean {
  const json = call(instance, instance._wasm_parse_plpgsql, statement);
  return /"PLpgSQL_stmt_(?:commit|rollback)":/.test(json);
}

function call(instance: Instance, work: (script: number) => number, script: string): string {
  const input = write(instance, script);
  const result = work(input);
  const text = instance.UTF8ToString(result);
  instance._wasm_free_string(result);
  instance._free(input);
  return text;
}

function write(instance: Instance, text: string): number {
  const size = instance.lengthBytesUTF8(text) + 1;
  const at = instance._malloc(size);
  if (at === 0) throw new RangeError("out of memory");
  instance.stringToUTF8(text, at, size);
  return at;
}

/** One that ends with its line, or a block. */
export type Comment = {
  /** With its marks. */
  readonly text: string;
  /** Of its first character, in UTF-16 units. */
  readonly offset: number;
};

/** The comments of a script that PostgreSQL takes. Throws `GaveUp` where it is too large. */
export async function readComments(script: string): Promise<readonly Comment[]> {
  if (!/--|\/\*/.test(script)) return [];
  const tokens = await withParser((parser) => parser.scan(script));
  const bytes = Buffer.from(script);
  let [read, offset] = [0, 0];
  return tokens
    .filter(({ isComment }) => isComment)
    .map(({ start, end }) => {
      offset += bytes.toString("utf8", read, start).length;
      read = start;
      return { text: bytes.toString("utf8", start, end), offset };
    });
}
