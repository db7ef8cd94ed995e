import type { SchemaDifference } from "./difference.ts";
import { referredIn } from "./extras.ts";
import { type Fact, type FactKind, isInvalidIndex, parentsIn, placeKey } from "./facts.ts";
import { quoteIdentifier, quoteLiteral } from "./quote.ts";
import { inOrder, withoutWhatNeedsLeft } from "./repair-order.ts";
import {
  type Batch,
  bearers,
  type LeftFact,
  type Piece,
  type Repair,
  type RepairNeeds,
  type RepairStatement,
  type Stage,
  type StagedStatement,
  stages,
} from "./repair-piece.ts";
import * as write from "./repair-sql.ts";
import { varies } from "./varying.ts";
import { rebuildIndex } from "./ways-out.ts";
import { nameFact } from "./words.ts";

export type RepairBasis = {
  readonly differences: readonly SchemaDifference[];
  /** Those that are expected and not there. */
  readonly comments: readonly Fact[];
  /** All that the state promises. */
  readonly expected: readonly Fact[];
  /** As the server spells them. */
  readonly live: readonly Fact[];
  /** Columns of a table as the files name them, unquoted; the others come after them. */
  readonly namesInOrder: (table: string) => readonly string[];
  /** Whether there is such a role; `PUBLIC` is none. */
  readonly isRole: (name: string) => boolean;
  readonly mayHoldRows: (table: string) => boolean;
  /** Why the table or column would be empty where it should not be, in words; null: it may be made anew. */
  readonly lossOf: (fact: Fact) => string | null;
};

type Answer = Piece | LeftFact;

export function repairOf(basis: RepairBasis): Repair {
  const scene = readScene(basis);
  const answers = [
    ...basis.differences.flatMap((each) => answerTo(each, scene)),
    ...basis.comments.flatMap((fact) => comment(fact, scene) ?? []),
    ...grantsOfFresh(scene),
  ];
  const planned = answers.filter((each) => "statements" in each);
  const leftAtFirst = answers.filter((each) => "why" in each);
  const { pieces, left } = withoutWhatNeedsLeft(planned, leftAtFirst);
  return {
    batches: batchesOf(inOrder(pieces, (piece) => asOfFresh(piece, scene))),
    left: left.map(({ fact, why }) => ({ what: nameFact(fact), why })),
    needs: needsOf(pieces, scene),
  };
}

/** In a transaction with the rest: its table is made as late as that, or something else that it stands on. */
function asOfFresh(piece: Piece, scene: Scene): Piece {
  const fresh = new Set([...scene.fresh, piece.fact.object]);
  const statements = statementsFor(piece.fact, { ...scene, fresh });
  return typeof statements === "string" ? piece : { ...piece, statements };
}

/** What the differences are answered from, each looked up once. */
type Scene = RepairBasis & {
  /** Facts that are missing, by place. */
  readonly missing: ReadonlyMap<string, Fact>;
  readonly expectedAt: ReadonlyMap<string, Fact>;
  /** The relation of an object, as it is promised. */
  readonly relations: ReadonlyMap<string, Fact>;
  /** Relations that are made in this repair. */
  readonly fresh: ReadonlySet<string>;
  /** Live partitions, by their parent. */
  readonly partitions: ReadonlyMap<string, readonly Fact[]>;
};

function readScene(basis: RepairBasis): Scene {
  const { differences, expected, live } = basis;
  const missing = differences.flatMap(({ kind, fact }) => (kind === "missing" ? [fact] : []));
  const partitions = new Map<string, Fact[]>();
  for (const fact of live)
    if (fact.kind === "partition")
      for (const parent of parentsIn(fact))
        partitions.set(parent, [...(partitions.get(parent) ?? []), fact]);
  return {
    ...basis,
    missing: new Map(missing.map((fact) => [placeKey(fact), fact])),
    expectedAt: new Map(expected.map((fact) => [placeKey(fact), fact])),
    relations: new Map(
      expected.filter(({ kind }) => bearers.has(kind)).map((fact) => [fact.object, fact]),
    ),
    fresh: new Set(missing.filter(({ kind }) => bearers.has(kind)).map(({ object }) => object)),
    partitions,
  };
}

// What is to be done about a difference

function answerTo(difference: SchemaDifference, scene: Scene): readonly Answer[] {
  const { fact, tolerable } = difference;
  switch (difference.kind) {
    case "missing":
      return make(fact, scene);
    case "changed":
      return [change(fact, difference.actual)];
    case "extra":
      return tolerable
        ? []
        : [left(fact, "no revision makes it: only a person can say that it may be dropped")];
    case "in-the-way":
      return [
        left(
          fact,
          `the pending revision ${difference.revision} makes one of that name: only a person can say that this one may be dropped or renamed`,
        ),
      ];
  }
}

function make(fact: Fact, scene: Scene): readonly Answer[] {
  if (isCovered(fact, scene)) return [];
  if (fact.definition === varies)
    return [missingAndLeft(fact, "it differs from one deployment to the next (bake --varies)")];
  const theirs = fact.kind === "column" ? inherited(fact, scene) : [];
  if (theirs.some((each) => scene.missing.has(placeKey(each)))) {
    const statements = fromParents(fact, theirs);
    if (statements === null) return [missingAndLeft(fact, "it is another than its parent's")];
    return statements.length === 0 ? [] : [{ fact, statements, isTail: true }];
  }
  const loss = scene.lossOf(fact);
  if (loss !== null) return [missingAndLeft(fact, loss)];
  const made = statementsFor(fact, scene);
  if (typeof made === "string") return [missingAndLeft(fact, made)];
  const tail = fact.kind === "sequence" ? finishSequence(fact, scene) : [];
  return [
    { fact, statements: made },
    ...(tail.length > 0 ? [{ fact, statements: tail, isTail: true }] : []),
  ];
}

/** It comes with something else that is made: a column with its new table, a view's query and columns with the view. */
function isCovered({ kind, object }: Fact, scene: Scene): boolean {
  return (kind === "viewdef" || kind === "column") && scene.fresh.has(object);
}

/** What a column takes from a table that its own inherits from, or is a partition of. */
function inherited({ object, name }: Fact, scene: Scene): readonly Fact[] {
  const relation = scene.relations.get(object);
  const parents = relation === undefined ? [] : parentsIn(relation);
  return parents.flatMap(
    (parent) => scene.expectedAt.get(placeKey({ ...none, object: parent, name })) ?? [],
  );
}

/** A parent's new column is its children's; where one differs in more than its default, that is null. */
function fromParents(fact: Fact, theirs: readonly Fact[]): readonly StagedStatement[] | null {
  const own = write.columnParts(fact.definition);
  const parts = theirs.map(({ definition }) => write.columnParts(definition));
  const isLike = parts.every((each) =>
    isSame({ ...each, default: null, identity: null }, { ...own, default: null, identity: null }),
  );
  if (!isLike) return null;
  const isEqual = parts.every((each) => each.default === own.default);
  return isEqual ? [] : [{ sql: setDefault(fact, own.default ?? "NULL"), stage: stages.structure }];
}

function setDefault({ object, name }: Fact, value: string): string {
  return `ALTER TABLE ONLY ${object} ALTER COLUMN ${quoteIdentifier(name)} SET DEFAULT ${value}`;
}

const none: Fact = { kind: "column", object: "", name: "", definition: "" };

/** @returns why not, where it cannot be written */
function statementsFor(fact: Fact, scene: Scene): readonly StagedStatement[] | string {
  const { kind, object, definition } = fact;
  const one = (sql: string | null, note?: string): readonly StagedStatement[] | string =>
    sql === null ? cannotWrite(fact) : [{ sql, stage: stages.structure, ...(note && { note }) }];
  const all = (statements: readonly string[]): readonly StagedStatement[] =>
    statements.map((sql) => ({ sql, stage: stages.structure }));
  switch (kind) {
    case "schema":
      return one(`CREATE SCHEMA ${quoteIdentifier(object)}`);
    case "extension":
      return one(`CREATE EXTENSION ${quoteIdentifier(object)} ${definition}`);
    case "enum":
      return one(write.createEnum(fact));
    case "domain":
      return one(write.createDomain(fact));
    case "type":
      return one(write.createComposite(fact, columnsOf(object, scene)));
    case "sequence":
      return makeSequence(fact);
    case "table":
    case "partition":
      return makeTable(fact, scene);
    case "column":
      return makeColumn(fact, scene);
    case "constraint":
      return makeConstraint(fact, scene);
    case "index":
      return makeIndex(fact, scene);
    case "view":
    case "matview": {
      const query = scene.expectedAt.get(placeKey({ ...fact, kind: "viewdef", name: "" }));
      if (query === undefined) return cannotWrite(fact);
      return all([write.createView(fact, query.definition), ...defaultsOf(object, scene)]);
    }
    case "function":
    case "procedure":
      return one(definition.trim(), "everybody may run it, as any new one");
    case "statistics":
      return one(definition);
    case "trigger":
      return comesFromParent(fact, scene)
        ? "it is a partition's copy of its parent's trigger, switched in another way"
        : all(write.createSwitched(fact));
    case "rule":
      return all(write.createSwitched(fact));
    case "policy":
      return one(write.createPolicy(fact));
    default:
      return cannotWrite(fact);
  }
}

function cannotWrite({ kind, definition }: Fact): string {
  return kind === "invalid" || definition.endsWith(" INVALID")
    ? "the revision leaves it INVALID"
    : "this version does not write one of its kind";
}

function columnsOf(object: string, { expected, namesInOrder }: Scene): readonly Fact[] {
  const columns = expected.filter((each) => each.kind === "column" && each.object === object);
  const names = namesInOrder(object);
  const place = ({ name }: Fact): number =>
    names.includes(name) ? names.indexOf(name) : names.length;
  return columns.toSorted((one, other) => place(one) - place(other));
}

/** A view's columns can have defaults of their own. */
function defaultsOf(view: string, scene: Scene): readonly string[] {
  return columnsOf(view, scene).flatMap((column) => {
    const value = write.columnParts(column.definition).default;
    return value === null ? [] : [setDefault(column, value).replace("TABLE ONLY", "VIEW")];
  });
}

function comesFromParent({ object, name }: Fact, scene: Scene): boolean {
  const relation = scene.relations.get(object);
  if (relation?.kind !== "partition") return false;
  return parentsIn(relation).some((parent) =>
    scene.expectedAt.has(placeKey({ kind: "trigger", object: parent, name, definition: "" })),
  );
}

function makeSequence(fact: Fact): readonly StagedStatement[] | string {
  const parts = write.sequenceParts(fact.definition);
  return parts === null
    ? cannotWrite(fact)
    : [{ sql: write.createSequence(fact, parts), stage: stages.structure }];
}

/** Once its columns are there. */
function finishSequence(fact: Fact, scene: Scene): readonly StagedStatement[] {
  const owner = write.sequenceParts(fact.definition)?.owner ?? null;
  const sets = usersOf(fact, scene).map(({ object, name }) => ({
    sql: goOnAfter(quoteLiteral(fact.object), object, name),
    stage: stages.structure,
    note: afterNumbers,
  }));
  const own =
    owner === null
      ? []
      : [{ sql: `ALTER SEQUENCE ${fact.object} OWNED BY ${owner}`, stage: stages.structure }];
  return [...sets, ...own];
}

/** Columns that are there, and whose default takes its numbers from the sequence. */
function usersOf(sequence: Fact, scene: Scene): readonly Fact[] {
  const call = `nextval(${quoteLiteral(sequence.object).trim()}::regclass)`;
  return scene.expected.filter(
    (each) =>
      each.kind === "column" &&
      each.definition.includes(call) &&
      !scene.fresh.has(each.object) &&
      !scene.missing.has(placeKey(each)),
  );
}

const afterNumbers = "goes on after the numbers that are there";

/** Of a table without rows the answer is NULL, and nothing is set. */
function goOnAfter(sequence: string, table: string, column: string): string {
  return `SELECT pg_catalog.setval(${sequence}, (SELECT max(${quoteIdentifier(column)}) FROM ${table}))`;
}

function makeTable(fact: Fact, scene: Scene): readonly StagedStatement[] | string {
  const { object } = fact;
  const parts = write.tableParts(fact);
  if (parts === null) return cannotWrite(fact);
  const columns = columnsOf(object, scene);
  const later: StagedStatement[] = [];
  for (const column of columns) {
    const theirs = inherited(column, scene);
    const statements = fromParents(column, theirs);
    if (parts.bound === null) {
      // What a child does not say itself, it would take from its parent.
      const isBare = write.columnParts(column.definition).default === null;
      if (isBare && theirs.some((each) => write.columnParts(each.definition).default !== null))
        later.push({ sql: setDefault(column, "NULL"), stage: stages.structure });
    } else if (statements === null) return `its ${nameFact(column)} is another than its parent's`;
    else later.push(...statements);
  }
  const written = columns.map(write.writeColumn);
  if (written.includes(null)) return cannotWrite(fact);
  const sql = write.createTable(fact, parts, written as readonly string[]);
  const made = [sql, ...write.switchRowSecurity(object, parts)].map((each) => ({
    sql: each,
    stage: stages.structure,
    note: "without rows, and with the privileges that new tables get here",
  }));
  return [...made, ...later];
}

function makeColumn(fact: Fact, scene: Scene): readonly StagedStatement[] | string {
  const { object } = fact;
  const relation = scene.relations.get(object);
  const parts = write.columnParts(fact.definition);
  const column = write.writeColumn(fact);
  if (relation?.kind === "view" || relation?.kind === "matview")
    return "the view is there without it, and would have to be replaced";
  if (relation?.kind !== "table" || column === null)
    return relation?.kind === "partition" ? "its parent is there with it" : cannotWrite(fact);
  const isFilled = parts.default !== null || parts.identity !== null || parts.generated !== null;
  if (parts.isNotNull && !isFilled && scene.mayHoldRows(object))
    return "it is NOT NULL without a default, and the table has rows, or this role cannot see whether it has: add it without NOT NULL, fill it, then ALTER COLUMN … SET NOT NULL";
  const note = isFilled && scene.mayHoldRows(object) ? "fills the rows that are there" : "";
  const sql = `ALTER TABLE ${object} ADD COLUMN ${column}`;
  return [{ sql, stage: stages.structure, ...(note !== "" && { note }) }];
}

function isPartitioned(object: string, { relations }: Scene): boolean {
  return relations.get(object)?.definition.startsWith("p") === true;
}

const inOneStep = "in one step, which locks the table and its partitions until it is done";

function makeConstraint(fact: Fact, scene: Scene): readonly StagedStatement[] | string {
  const { object, definition } = fact;
  if (definition.endsWith(" TRIGGERS DISABLED")) return "its triggers are off";
  if (refersToNothing(fact, scene))
    return `rows refer to what was in ${referredIn(definition)}, which comes back empty: bring its rows back first`;
  const plain = write.addConstraint(fact);
  const whole = { sql: plain, stage: stages.structure };
  if (scene.fresh.has(object)) return [whole];
  if (isPartitioned(object, scene)) return [{ ...whole, note: inOneStep }];
  const key = write.indexOfKey(fact);
  if (key !== null)
    return [
      { sql: key.index, stage: stages.concurrently },
      { sql: key.key, stage: stages.after },
    ];
  if (!/^(?:CHECK|FOREIGN KEY) /.test(definition))
    return [{ ...whole, note: "locks the table until it is done" }];
  if (/ NOT (?:VALID|ENFORCED)$/.test(definition)) return [whole];
  return [
    { sql: `${plain} NOT VALID`, stage: stages.structure },
    {
      sql: write.validateConstraint(fact),
      stage: stages.validate,
      note: "reads the rows that are there, and holds up no writes",
    },
  ];
}

/** A table that is made anew has no rows; those that are there may still point to what it had. */
function refersToNothing({ object, definition }: Fact, scene: Scene): boolean {
  if (!scene.fresh.has(referredIn(definition)) || scene.fresh.has(object)) return false;
  const [, columns = ""] = /^FOREIGN KEY \((.*?)\) REFERENCES /.exec(definition) ?? [];
  const isNew = columns
    .split(", ")
    .every((name) => scene.missing.has(placeKey({ ...none, object, name: write.unquote(name) })));
  return !isNew && scene.mayHoldRows(object);
}

function makeIndex(fact: Fact, scene: Scene): readonly StagedStatement[] | string {
  const { object } = fact;
  if (isInvalidIndex(fact)) return cannotWrite(fact);
  const definition = fact.definition.replace(/ REPLICA IDENTITY$/, "");
  if (!isPartitioned(object, scene))
    return scene.fresh.has(object)
      ? [{ sql: definition, stage: stages.structure }]
      : [{ sql: write.concurrently(definition), stage: stages.concurrently }];
  const leaves = scene.fresh.has(object) ? null : leavesOf(object, scene);
  if (leaves === null)
    return [
      {
        sql: definition.replace(/ ON ONLY /, " ON "),
        stage: stages.structure,
        ...(!scene.fresh.has(object) && { note: inOneStep }),
      },
    ];
  const index = `${write.schemaIn(object)}.${quoteIdentifier(fact.name)}`;
  const parts = leaves.map((leaf) => write.indexOnPartition({ ...fact, definition }, leaf));
  return [
    { sql: definition, stage: stages.structure },
    ...parts.map(({ sql }) => ({ sql: write.concurrently(sql), stage: stages.concurrently })),
    ...parts.map(({ name }) => ({
      sql: `ALTER INDEX ${index} ATTACH PARTITION ${name}`,
      stage: stages.after,
    })),
  ];
}

/** The partitions, where each is a plain table; null: some are partitioned themselves, or are made in this repair. */
function leavesOf(object: string, { partitions, missing }: Scene): readonly string[] | null {
  const live = partitions.get(object) ?? [];
  const made = [...missing.values()].some(
    (fact) => fact.kind === "partition" && parentsIn(fact).includes(object),
  );
  if (made || live.length === 0 || !live.every(({ definition }) => definition.startsWith("r")))
    return null;
  return live.map((fact) => fact.object);
}

/** Soft: what cannot be written is nobody's loss. */
function comment(fact: Fact, scene: Scene): Answer | null {
  const relation = scene.relations.get(fact.object);
  const sql = relation === undefined ? null : write.writeComment(fact, relation);
  return sql === null ? null : { fact, statements: [{ sql, stage: stages.structure }] };
}

/** What the history gave away of what is made anew: whoever had it shall have it again. */
function grantsOfFresh(scene: Scene): readonly Piece[] {
  const missing = new Map(
    [...scene.missing.values()].flatMap(({ kind, object }) =>
      write.grantable.has(kind) ? [[object, kind] as const] : [],
    ),
  );
  return scene.expected.flatMap((fact) => {
    const of = missing.get(fact.object);
    if (fact.kind !== "grant" || of === undefined || !scene.isRole(fact.name)) return [];
    const sql = write.grant(fact, of);
    return sql === null ? [] : [{ fact, statements: [{ sql, stage: stages.structure }] }];
  });
}

// What is there and is another

function change(wanted: Fact, actual: Fact): Answer {
  const statements = changeTo(wanted, actual);
  if (statements === null)
    return {
      ...left(
        wanted,
        isInvalidIndex(actual)
          ? `it is INVALID: ${rebuildIndex(actual)}`
          : `it is there and is another (${shorten(actual)}, not ${shorten(wanted)}): it would have to be replaced, or could refuse or lose what is there`,
      ),
      poisons: wanted.kind === "enum",
    };
  // A sequence is there, and its column may be made first.
  return { fact: wanted, statements, ...(wanted.kind === "sequence" && { isTail: true }) };
}

function shorten({ definition }: Fact): string {
  const text = definition.replaceAll(/\s+/g, " ");
  return `"${text.length <= 80 ? text : `${text.slice(0, 77)}...`}"`;
}

/** Null: not without taking something away. */
function changeTo(wanted: Fact, actual: Fact): readonly StagedStatement[] | null {
  switch (wanted.kind) {
    case "enum":
      return write.addLabels(wanted, actual)?.map((sql) => ({ sql, stage: stages.labels })) ?? null;
    case "column":
      return changeColumn(wanted, actual);
    case "constraint":
      return actual.definition === `${wanted.definition} NOT VALID`
        ? [{ sql: write.validateConstraint(wanted), stage: stages.validate }]
        : null;
    case "sequence": {
      const [now, then] = [actual, wanted].map(({ definition }) => write.sequenceParts(definition));
      return now?.owner === null && then?.owner && isSame({ ...then, owner: null }, now)
        ? [
            {
              sql: `ALTER SEQUENCE ${wanted.object} OWNED BY ${then.owner}`,
              stage: stages.structure,
            },
          ]
        : null;
    }
    case "table":
    case "partition": {
      const [now, then] = [write.tableParts(actual), write.tableParts(wanted)];
      if (now === null || then === null) return null;
      const { rowSecurity, forced } = then;
      if (!isSame({ ...now, rowSecurity, forced }, then)) return null;
      if ((now.rowSecurity && !rowSecurity) || (now.forced && !forced)) return null;
      const lacking = {
        rowSecurity: rowSecurity && !now.rowSecurity,
        forced: forced && !now.forced,
      };
      return write
        .switchRowSecurity(wanted.object, lacking)
        .map((sql) => ({ sql, stage: stages.structure }));
    }
    default:
      return null;
  }
}

function changeColumn(wanted: Fact, actual: Fact): readonly StagedStatement[] | null {
  const [now, then] = [write.columnParts(actual.definition), write.columnParts(wanted.definition)];
  const column = `ALTER TABLE ONLY ${wanted.object} ALTER COLUMN ${quoteIdentifier(wanted.name)}`;
  const stage = stages.structure;
  if (now.default === null && isSame({ ...then, default: null }, now))
    return [
      {
        sql: `${column} SET DEFAULT ${then.default}`,
        stage,
        note: "for rows that come from now on",
      },
    ];
  if (now.identity === null && then.identity !== null && isSame({ ...then, identity: null }, now))
    return [
      { sql: `${column.replace(" ONLY", "")} ADD ${write.writeIdentity(then.identity)}`, stage },
      {
        sql: goOnAfter(
          `pg_catalog.pg_get_serial_sequence(${quoteLiteral(wanted.object)}, ${quoteLiteral(wanted.name)})`,
          wanted.object,
          wanted.name,
        ),
        stage,
        note: afterNumbers,
      },
    ];
  return null;
}

function isSame(one: object, other: object): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

// What is left

function left(fact: Fact, why: string): LeftFact {
  return { fact, why, poisons: false };
}

function missingAndLeft(fact: Fact, why: string): LeftFact {
  return { fact, why, poisons: true };
}

// The plan

function batchesOf(pieces: readonly Piece[]): readonly Batch[] {
  const batches: { kind: Batch["kind"]; statements: RepairStatement[]; stage: Stage }[] = [];
  for (const stage of Object.values(stages)) {
    for (const { fact, statements } of pieces)
      for (const { sql, note, stage: own } of statements) {
        if (own !== stage) continue;
        const what = nameFact(fact);
        const says = note === undefined ? what : `${what}: ${note}`;
        const last = batches.at(-1);
        const kind = stage === stages.concurrently ? "alone" : "transaction";
        const joins = last?.stage === stage && kind !== "alone" && stage !== stages.validate;
        if (joins) last.statements.push({ sql, what, says });
        else batches.push({ kind, stage, statements: [{ sql, what, says }] });
      }
  }
  return batches.map(({ kind, statements }) => ({ kind, statements }));
}

// What it needs

function needsOf(pieces: readonly Piece[], scene: Scene): RepairNeeds {
  const facts = pieces.map(({ fact }) => fact);
  const made = new Set(facts.flatMap(({ kind, object }) => (kind === "schema" ? [object] : [])));
  const isThere = (object: string): boolean => object !== "" && !scene.fresh.has(object);
  const within = new Set<FactKind>(["column", "constraint", "index", "trigger", "policy", "rule"]);
  const changed = facts.filter((fact) => !scene.missing.has(placeKey(fact)));
  const altered = facts.filter(
    (fact) => within.has(fact.kind) || fact.kind === "comment" || changed.includes(fact),
  );
  const parents = facts.flatMap((fact) => (fact.kind === "partition" ? parentsIn(fact) : []));
  const relations = [
    ...altered
      .filter(({ kind }) => kind !== "enum" && kind !== "trigger")
      .map(({ object }) => object),
    ...parents,
  ];
  const creators = new Set<FactKind>([...within, "comment", "grant"]);
  const schemas = facts
    .filter((fact) => !creators.has(fact.kind) || fact.kind === "index" || hasIndex(fact))
    .filter((fact) => !changed.includes(fact))
    .map(({ object }) => write.unquote(write.schemaIn(object)));
  return {
    relations: unique(relations.filter(isThere)),
    triggered: unique(
      facts.flatMap(({ kind, object }) => (kind === "trigger" && isThere(object) ? object : [])),
    ),
    types: unique(changed.filter(({ kind }) => kind === "enum").map(({ object }) => object)),
    referred: unique(facts.map(({ definition }) => referredIn(definition)).filter(isThere)),
    schemas: unique(schemas.filter((schema) => schema !== "" && !made.has(schema))),
    ofDatabase: facts.some(({ kind }) => kind === "schema" || kind === "extension"),
  };
}

function hasIndex({ kind, definition }: Fact): boolean {
  return kind === "constraint" && /^(?:PRIMARY KEY|UNIQUE|EXCLUDE)/.test(definition);
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
