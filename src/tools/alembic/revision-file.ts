import type { Revision } from "../../core/revision.ts";
import { readFacts } from "../file-text.ts";
import { unreadable, type UnreadableFile } from "../files.ts";
import { type Binding, moduleBindings } from "./bindings.ts";
import { isEmptyUpgrade } from "./empty-upgrade.ts";
import type { Literal } from "./literals.ts";
import { readSketch } from "./sketch.ts";
import { decodeSource } from "./source.ts";
import type { Node } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";
import { titleOf } from "./title.ts";
import { keepsTransaction } from "./transaction.ts";

export type RevisionFile =
  | { readonly kind: "revision"; readonly revision: Revision }
  | UnreadableFile;

/**
 * Reads one revision file without Python. Nothing is guessed: not from the docstring, which lies in one file of twenty,
 * and not from the file's name, except under Alembic's own rule for files of version 0.1.
 * `file`: path relative to the history's root, with forward slashes.
 */
export async function readRevisionFile(file: string, bytes: Uint8Array): Promise<RevisionFile> {
  const decoded = decodeSource(bytes);
  if (decoded.kind === "fault") return unreadable(file, decoded.fault);
  const parsed = await parsePython(decoded.text);
  if (parsed.kind === "fault") return unreadable(file, parsed.fault);
  return await fromScript(file, parsed.script, decoded.text);
}

async function fromScript(file: string, script: Node, text: string): Promise<RevisionFile> {
  const { revision, down_revision, branch_labels, depends_on } = readAttributes(script);
  const id = readId(revision, file);
  // A helper module among the revisions lacks everything: that is one fault.
  if (id.kind === "wrong" && revision === undefined) return unreadable(file, id);
  const parents = readDown(down_revision);
  const labels = readNames("branch_labels", branch_labels);
  const dependsOn = readNames("depends_on", depends_on);
  if (
    id.kind === "wrong" ||
    parents.kind === "wrong" ||
    labels.kind === "wrong" ||
    dependsOn.kind === "wrong"
  ) {
    const all = [id, parents, labels, dependsOn];
    return unreadable(file, ...all.flatMap((read) => (read.kind === "wrong" ? [read] : [])));
  }
  return {
    kind: "revision",
    revision: {
      id: id.value,
      parents: unique(parents.value),
      // Alembic takes an empty name for none here, and only here.
      dependsOn: unique(dependsOn.value).filter((name) => name !== ""),
      labels: labels.value,
      title: titleOf(file, id.value, text),
      file,
      ...readFacts(text),
      isEmpty: isEmptyUpgrade(script),
      isAtomic: keepsTransaction(script),
      sketch: await readSketch(script),
    },
  };
}

type Read<Value> =
  | { readonly kind: "read"; readonly value: Value }
  | { readonly kind: "wrong"; readonly line: number | null; readonly why: string };

function readId(attribute: Attribute, file: string): Read<string> {
  if (attribute === undefined) {
    const legacy = /^([a-f0-9]+)\.py$/.exec(file.slice(file.lastIndexOf("/") + 1))?.[1];
    return legacy === undefined
      ? wrong(
          "there is no 'revision = …': Alembic takes every .py file here for a revision and stops",
        )
      : { kind: "read", value: legacy };
  }
  const { value, line } = attribute;
  if (value.kind === "text") return { kind: "read", value: value.text };
  const more = value.kind === "computed" ? "" : ", not text";
  return wrong(`revision is ${describe(value)}${more}`, line);
}

function readDown(attribute: Attribute): Read<readonly string[]> {
  return attribute === undefined
    ? wrong("there is no 'down_revision = …', and Alembic requires one")
    : readNames("down_revision", attribute);
}

function readNames(name: AttributeName, attribute: Attribute): Read<readonly string[]> {
  if (attribute === undefined) return { kind: "read", value: [] };
  const { value, line } = attribute;
  if (value.kind === "computed") return wrong(`${name} is ${describe(value)}`, line);
  const items = value.kind === "items" ? value.items : [value];
  // `(None,)` is `None`; beside other names it is an error.
  if (items.every((item) => item.kind === "none") && items.length < 2)
    return { kind: "read", value: [] };
  const texts = items.flatMap((item) => (item.kind === "text" ? [item.text] : []));
  if (texts.length < items.length)
    return wrong(`${name} is ${describe(value)} with more in it than names`, line);
  // A set has no order that Python would keep.
  const sorted = value.kind === "items" && !value.ordered ? texts.toSorted() : texts;
  return { kind: "read", value: sorted };
}

function wrong(why: string, line: number | null = null): Read<never> {
  return { kind: "wrong", line, why };
}

function describe(literal: Literal): string {
  switch (literal.kind) {
    case "none":
      return "None";
    case "text":
      return JSON.stringify(literal.text);
    case "items":
      return "a list";
    case "computed":
      return `computed: ${literal.source}`;
  }
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

/** The names that Alembic reads from a revision file, and nothing else (1.20). */
type AttributeName = (typeof attributeNames)[number];

/** What stands in a module's variable once Python has run the file; undefined: nothing was put there. */
type Attribute = Binding | undefined;

/**
 * Follows the module's statements in order; the last binding wins, as in Python. A binding that is not a plain
 * assignment of a literal at the top level is `computed`. A star import is taken to bind none of these names:
 * projects import their helpers so, never their revision ids.
 */
function readAttributes(script: Node): Partial<Record<AttributeName, Binding>> {
  const found: Partial<Record<AttributeName, Binding>> = {};
  const values = new Map<string, Literal>();
  for (const binding of moduleBindings(script)) {
    const value = follow(binding.value, values);
    for (const name of namesMeant(binding.name)) found[name] = { ...binding, value };
    if (binding.name === "*") values.clear();
    else values.set(binding.name.normalize("NFKC"), value);
  }
  return found;
}

/** A constant of the file itself stands for what was put there before. */
function follow(value: Literal, values: ReadonlyMap<string, Literal>): Literal {
  const name = value.kind === "computed" ? value.name?.normalize("NFKC") : undefined;
  const known = name === undefined ? undefined : values.get(name);
  return known === undefined || known.kind === "computed" ? value : known;
}

/** Python folds identifiers by NFKC; `*` stands for code that can bind any name, such as `exec`. */
function namesMeant(name: string): readonly AttributeName[] {
  const plain = name.normalize("NFKC");
  return plain === "*" ? attributeNames : attributeNames.filter((known) => known === plain);
}

const attributeNames = ["revision", "down_revision", "branch_labels", "depends_on"] as const;
