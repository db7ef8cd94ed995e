import type { Revision } from "../../core/revision.ts";
import { hashOf, readsEnvironment, saysIfNotExists } from "../file-text.ts";
import type { UnreadableFile } from "../files.ts";
import { type Binding, moduleBindings } from "./bindings.ts";
import { isEmptyUpgrade } from "./empty-upgrade.ts";
import type { Literal } from "./literals.ts";
import { readSketch } from "./sketch.ts";
import { decodeSource } from "./source.ts";
import type { Node } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";
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
  if (decoded.kind === "fault") return unreadable(file, decoded.fault.line, decoded.fault.why);
  const parsed = await parsePython(decoded.text);
  if (parsed.kind === "fault") return unreadable(file, parsed.fault.line, parsed.fault.why);
  return await fromScript(file, parsed.script, decoded.text);
}

function unreadable(file: string, line: number | null, why: string): RevisionFile {
  return { kind: "unreadable", faults: [{ kind: "unreadable", file, line, column: null, why }] };
}

async function fromScript(file: string, script: Node, text: string): Promise<RevisionFile> {
  const attributes = readAttributes(script);
  const id = readId(attributes.revision, file);
  // A helper module among the revisions lacks everything: that is one fault.
  if (id.kind === "wrong" && attributes.revision.kind === "absent")
    return unreadable(file, id.line, id.why);
  const parents = readDown(attributes.down_revision);
  const labels = readNames(attributes, "branch_labels");
  const dependsOn = readNames(attributes, "depends_on");
  const faults = [id, parents, labels, dependsOn].flatMap((read) =>
    read.kind === "wrong"
      ? [{ kind: "unreadable" as const, file, line: read.line, column: null, why: read.why }]
      : [],
  );
  if (id.kind === "wrong" || parents.kind === "wrong") return { kind: "unreadable", faults };
  if (labels.kind === "wrong" || dependsOn.kind === "wrong") return { kind: "unreadable", faults };
  return {
    kind: "revision",
    revision: {
      id: id.value,
      parents: unique(parents.value),
      // Alembic takes an empty name for none here, and only here.
      dependsOn: unique(dependsOn.value).filter((name) => name !== ""),
      labels: labels.value,
      file,
      hash: hashOf(text),
      isEmpty: isEmptyUpgrade(script),
      isAtomic: keepsTransaction(script),
      saysIfNotExists: saysIfNotExists(text),
      readsEnvironment: readsEnvironment(text),
      sketch: await readSketch(script),
    },
  };
}

type Read<Value> =
  | { readonly kind: "read"; readonly value: Value }
  | { readonly kind: "wrong"; readonly line: number | null; readonly why: string };

function readId(attribute: Attribute, file: string): Read<string> {
  if (attribute.kind === "absent") {
    const legacy = /^([a-f0-9]+)\.py$/.exec(file.slice(file.lastIndexOf("/") + 1))?.[1];
    return legacy === undefined
      ? wrong(
          "there is no 'revision = …': Alembic takes every .py file here for a revision and stops",
        )
      : { kind: "read", value: legacy };
  }
  if (attribute.kind === "computed") return computed("revision", attribute);
  const { literal, line } = attribute;
  return literal.kind === "text"
    ? { kind: "read", value: literal.text }
    : wrong(`revision is ${describe(literal)}, not text`, line);
}

function readDown(attribute: Attribute): Read<readonly string[]> {
  return attribute.kind === "absent"
    ? wrong("there is no 'down_revision = …', and Alembic requires one")
    : readList("down_revision", attribute);
}

function readNames(attributes: Attributes, name: AttributeName): Read<readonly string[]> {
  const attribute = attributes[name];
  return attribute.kind === "absent" ? { kind: "read", value: [] } : readList(name, attribute);
}

function readList(
  name: AttributeName,
  attribute: Exclude<Attribute, { kind: "absent" }>,
): Read<readonly string[]> {
  if (attribute.kind === "computed") return computed(name, attribute);
  const { literal, line } = attribute;
  const items = literal.kind === "items" ? literal.items : [literal];
  // `(None,)` is `None`; beside other names it is an error.
  if (items.every((item) => item.kind === "none") && items.length < 2)
    return { kind: "read", value: [] };
  const texts = items.flatMap((item) => (item.kind === "text" ? [item.text] : []));
  if (texts.length < items.length)
    return wrong(`${name} is ${describe(literal)} with more in it than names`, line);
  // A set has no order that Python would keep.
  const sorted = literal.kind === "items" && !literal.ordered ? texts.toSorted() : texts;
  return { kind: "read", value: sorted };
}

function wrong(why: string, line: number | null = null): Read<never> {
  return { kind: "wrong", line, why };
}

function computed(name: AttributeName, attribute: Extract<Attribute, { kind: "computed" }>) {
  return wrong(`${name} is ${attribute.why}`, attribute.line);
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

/** What stands in a module's variable once Python has run the file. */
type Attribute =
  | { readonly kind: "absent" }
  | { readonly kind: "literal"; readonly literal: Literal; readonly line: number }
  | { readonly kind: "computed"; readonly why: string; readonly line: number };

type Attributes = Readonly<Record<AttributeName, Attribute>>;

/**
 * Follows the module's statements in order; the last binding wins, as in Python. A binding that is not a plain
 * assignment of a literal at the top level is `computed`. A star import is taken to bind none of these names:
 * projects import their helpers so, never their revision ids.
 */
function readAttributes(script: Node): Attributes {
  const found: Record<AttributeName, Attribute> = {
    revision: { kind: "absent" },
    down_revision: { kind: "absent" },
    branch_labels: { kind: "absent" },
    depends_on: { kind: "absent" },
  };
  for (const binding of moduleBindings(script))
    for (const name of namesMeant(binding.name)) found[name] = attributeOf(binding);
  return found;
}

/** Python folds identifiers by NFKC; `*` stands for code that can bind any name, such as `exec`. */
function namesMeant(name: string): readonly AttributeName[] {
  const plain = name.normalize("NFKC");
  return plain === "*" ? attributeNames : attributeNames.filter((known) => known === plain);
}

const attributeNames = ["revision", "down_revision", "branch_labels", "depends_on"] as const;

function attributeOf(binding: Binding): Attribute {
  const { value, line } = binding;
  return value.kind === "computed"
    ? { kind: "computed", why: `computed: ${value.source}`, line }
    : { kind: "literal", literal: value, line };
}
