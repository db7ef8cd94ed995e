import { referredIn } from "./extras.ts";
import type { Fact, FactKind } from "./facts.ts";
import { quoteIdentifier } from "./quote.ts";

/** What takes a schema to a state that promises more, in order. Nothing is dropped, renamed or narrowed. */
export type Repair = {
  readonly batches: readonly Batch[];
  /** What only a person can do. */
  readonly left: readonly Left[];
  /** What the role must be able to do for it. */
  readonly needs: RepairNeeds;
};

/** `transaction`: together, or nothing of it. `alone`: one statement that can be in none. */
export type Batch = {
  readonly kind: "transaction" | "alone";
  readonly statements: readonly RepairStatement[];
};

export type RepairStatement = {
  readonly sql: string;
  /** What it makes. */
  readonly what: string;
  /** The same, and what a person should know of it. */
  readonly says: string;
};

type Left = { readonly what: string; readonly why: string };

/** Names as facts have them. */
export type RepairNeeds = {
  /** Tables, views and sequences that are altered. */
  readonly relations: readonly string[];
  /** Tables that get a trigger. */
  readonly triggered: readonly string[];
  readonly types: readonly string[];
  /** Tables that a foreign key refers to. */
  readonly referred: readonly string[];
  /** Schemas in which something is made, as they are written. */
  readonly schemas: readonly string[];
  /** Schemas and extensions. */
  readonly ofDatabase: boolean;
};

/** Definitions are spelled with nothing but pg_catalog on the path; a body is looked into when it runs. */
export const repairSettings = [
  "search_path = pg_catalog, pg_temp",
  "check_function_bodies = off",
  "standard_conforming_strings = on",
] as const;

/** When it runs. What is built CONCURRENTLY comes after what it stands on, and before what stands on it. */
export const stages = { labels: 0, structure: 1, concurrently: 2, after: 3, validate: 4 } as const;
export type Stage = (typeof stages)[keyof typeof stages];

export type StagedStatement = {
  readonly sql: string;
  readonly stage: Stage;
  /** What a person should know of it. */
  readonly note?: string;
};

/** What makes one fact. */
export type Piece = {
  readonly fact: Fact;
  readonly statements: readonly StagedStatement[];
  /** It finishes what an earlier one has made, and nothing stands on it. */
  readonly isTail?: boolean;
};

/** What is not made, and why. */
export type LeftFact = {
  readonly fact: Fact;
  readonly why: string;
  /** It is not there: what stands on it cannot be made either. */
  readonly poisons: boolean;
};

/** What other facts hang on. */
export const bearers: ReadonlySet<FactKind> = new Set([
  "table",
  "partition",
  "ftable",
  "view",
  "matview",
  "type",
  "sequence",
]);

/** The kinds of facts that can be made, in the order in which they are. */
export const madeKinds: readonly FactKind[] = [
  "schema",
  "extension",
  "enum",
  "domain",
  "type",
  "sequence",
  "function",
  "procedure",
  "table",
  "partition",
  "column",
  "index",
  "constraint",
  "statistics",
  "view",
  "matview",
  "rule",
  "trigger",
  "policy",
  "grant",
  "comment",
];

export function isMade({ kind }: Fact): boolean {
  return madeKinds.includes(kind);
}

/** What a foreign key can refer to. */
function isKey({ kind, definition }: Fact): boolean {
  return kind === "index"
    ? definition.startsWith("CREATE UNIQUE ")
    : kind === "constraint" && /^(?:PRIMARY KEY|UNIQUE)/.test(definition);
}

/** Of the keys of a table nobody knows here which one it is. */
export function refersToKey(fact: Fact, key: Fact): boolean {
  return isKey(key) && fact.kind === "constraint" && referredIn(fact.definition) === key.object;
}

/** Without the bodies of functions, which PostgreSQL does not look into when it makes them. */
export function textOf({ fact, statements }: Piece): string {
  const text = statements.map(({ sql }) => sql).join("\n");
  return fact.kind === "function" || fact.kind === "procedure"
    ? text.replace(/(\$\w*\$)[\s\S]*\1/, "")
    : text;
}

/** @param name as the server writes it; of a function without its arguments */
export function mentions(text: string, name: string): boolean {
  const [bare = ""] = /^(?:"(?:[^"]|"")*"|[^"(])+/.exec(name) ?? [];
  return holds(text, bare, /[\w$".]/);
}

/** Also where it stands behind its table's name. */
export function mentionsColumn(text: string, { name }: Fact): boolean {
  const plain = /^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteIdentifier(name);
  return holds(text, plain, /[\w$"]/);
}

/** @param glued what before it makes it a part of another name */
function holds(text: string, name: string, glued: RegExp): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const [before, after] = [text.charAt(at - 1), text.charAt(at + name.length)];
    if (before === '"' && after === '"') return true;
    if (!glued.test(before) && !/[\w$"]/.test(after)) return true;
  }
  return false;
}
