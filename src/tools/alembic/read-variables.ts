import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ReadVariables } from "../tool.ts";
import { readLiteral } from "./literals.ts";
import type { AlembicLocation } from "./locate.ts";
import { decodeSource } from "./source.ts";
import { calledName, isName, itemsOf, lastName, type Node, nodesIn } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";

/** An application may be large, and this is said only where something failed. */
const mostFiles = 100;

/**
 * The variables that `env.py` and the project's modules that it imports, directly or not, are seen to read: by `os.environ`, by the
 * usual readers of settings, and as fields of pydantic's settings classes. Read, not run: a computed name is not seen.
 */
export async function readVariables(location: AlembicLocation): Promise<ReadVariables> {
  const { root, scriptDirectory, configFile, commands } = location;
  const beside = configFile === null ? [] : [dirname(configFile)];
  const roots = [...new Set([commands.cwd, ...beside, root].flatMap(withSources))];
  const waiting = [join(scriptDirectory, "env.py")];
  const seen = new Set<string>();
  const names = new Set<string>();
  const schemes: string[] = [];
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (seen.has(file) || seen.size >= mostFiles) continue;
    const text = await readSource(file);
    if (text === null) continue;
    seen.add(file);
    const parsed = await parsePython(text);
    if (parsed.kind === "fault") continue;
    for (const name of variablesIn(parsed.script)) names.add(name);
    schemes.push(...schemesIn(text));
    waiting.push(...modulesIn(parsed.script).flatMap((module) => filesOf(module, file, roots)));
  }
  return { names: [...names], scheme: schemes[0] ?? "postgresql" };
}

function withSources(directory: string): readonly string[] {
  return [directory, join(directory, "src")];
}

async function readSource(file: string): Promise<string | null> {
  const bytes = await readFile(file).catch(() => null);
  const decoded = bytes && decodeSource(bytes);
  return decoded?.kind === "text" ? decoded.text : null;
}

/** Which driver its URLs name, or need. */
function schemesIn(text: string): readonly string[] {
  const named = [...text.matchAll(/["'](postgresql\+\w+)(?:["']|:)/g)].map(
    ([, scheme = ""]) => scheme,
  );
  if (named.length > 0) return named;
  return /\b(?:create_async_engine|async_engine_from_config)\b/.test(text)
    ? ["postgresql+asyncpg"]
    : [];
}

// Modules

/** As written, with the names that are taken from it: `.core.config`, `settings`. */
type Module = { readonly path: string; readonly names: readonly string[] };

function modulesIn(script: Node): readonly Module[] {
  const imports = nodesIn(script).filter(({ kind }) => kind === "ImportStatement");
  return imports.flatMap(({ text }) => {
    const line = text.replaceAll(/[()\s]+/g, " ").trim();
    const [, from, names = ""] = /^from (\.*[\w.]*) ?import (.*)$/.exec(line) ?? [];
    const listed = (list: string): string[] =>
      list.split(",").map((each) => each.trim().split(" ")[0] ?? "");
    if (from !== undefined) return [{ path: from, names: listed(names) }];
    return listed(line.replace(/^import /, "")).map((path) => ({ path, names: [] }));
  });
}

/** Where it could be; a name that is taken from a package may be a module of it. */
function filesOf(
  { path, names }: Module,
  importer: string,
  roots: readonly string[],
): readonly string[] {
  const [, dots = "", rest = ""] = /^(\.*)(.*)$/.exec(path) ?? [];
  const parts = rest === "" ? [] : rest.split(".");
  const up = Array.from({ length: dots.length - 1 }, () => "..");
  const bases = dots === "" ? roots : [join(dirname(importer), ...up)];
  const modules = [parts, ...names.map((name) => [...parts, name])].filter(
    ({ length }) => length > 0,
  );
  return bases.flatMap((base) =>
    modules.flatMap((module) => [
      `${join(base, ...module)}.py`,
      join(base, ...module, "__init__.py"),
    ]),
  );
}

// What reads a variable

function variablesIn(script: Node): readonly string[] {
  return nodesIn(script).flatMap((node) => {
    switch (node.kind) {
      case "MemberExpression":
        return subscript(node);
      case "CallExpression":
        return call(node);
      case "ClassDefinition":
        return settingsFields(node);
      default:
        return [];
    }
  });
}

/** `os.environ["NAME"]` */
function subscript({ children }: Node): readonly string[] {
  const [of, bracket, key] = children;
  if (of === undefined || key === undefined || bracket?.kind !== "[") return [];
  return lastName(of) === "environ" ? textOf(key) : [];
}

/** `os.getenv("NAME")`, `os.environ.get("NAME")`; of decouple, starlette and environs `config("NAME")`, `env.str("NAME")`. */
function call(node: Node): readonly string[] {
  const [callee, given] = node.children;
  const [first] = given === undefined ? [] : itemsOf(given);
  if (callee === undefined || first === undefined) return [];
  const name = calledName(node);
  const of = callee.kind === "MemberExpression" ? lastName(callee.children[0] ?? callee) : "";
  if (name === "getenv" || (of === "environ" && /^(?:get|pop|setdefault)$/.test(name)))
    return textOf(first);
  // `config.get_main_option("…")` is Alembic's own.
  const isReader =
    of === "env" ||
    (name === "config" && (of === "" || of === "decouple")) ||
    (name === "env" && of === "");
  return isReader ? textOf(first).filter((text) => /^[A-Z][A-Z0-9_]*$/.test(text)) : [];
}

function textOf(node: Node): readonly string[] {
  const literal = readLiteral(node);
  return literal.kind === "text" ? [literal.text] : [];
}

/** Of a class on pydantic's `BaseSettings`, or on one that is called like that. */
function settingsFields({ text, children }: Node): readonly string[] {
  const bases = children.find(({ kind }) => kind === "ArgList");
  if (bases === undefined || !itemsOf(bases).some((base) => lastName(base).endsWith("Settings")))
    return [];
  const prefix = /\benv_prefix["']?\s*[=:]\s*["'](\w*)["']/.exec(text)?.[1] ?? "";
  const body = children.find(({ kind }) => kind === "Body");
  return (body?.children ?? []).flatMap((statement) => {
    const [target, type] = statement.children;
    const isField = statement.kind === "AssignStatement" && type?.kind === "TypeDef";
    if (!isField || target === undefined || !isName(target)) return [];
    if (target.text.startsWith("_") || /\bClassVar\b/.test(type.text)) return [];
    const [, alias] =
      /\b(?:validation_alias|alias|env)\s*=\s*(?:AliasChoices\(\s*)?["'](\w+)["']/.exec(
        statement.text,
      ) ?? [];
    return [(alias ?? prefix + target.text).toUpperCase()];
  });
}
