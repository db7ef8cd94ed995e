import fc from "fast-check";
import { columns, expressions } from "../../servers/expressions.ts";
import { harmful, harmless, unseen, users, warned } from "./extras.ts";
import {
  type Alteration,
  type Answer,
  type Details,
  type KindName,
  kindNames,
  type SchemaKind,
  schemaKinds,
  type SchemaObject,
} from "./kinds.ts";

/** PostgreSQL 13 to 18; bake needs 15 or newer. */
export const majors = [13, 14, 15, 16, 17, 18] as const;
export type Major = (typeof majors)[number];

/** A history that makes many kinds of objects, and the servers that it meets. */
export type RichSchema = {
  readonly baked: Major;
  /** Where a database is made by it, and where that one is restored from a dump. */
  readonly made: Major;
  readonly restored: Major;
  readonly home: "public" | "app";
  readonly files: readonly string[];
  readonly objects: readonly (SchemaObject & { readonly kind: KindName })[];
};

export const extraGroups = { ...harmless, ...harmful, ...warned, ...unseen };
type ExtraGroup = keyof typeof extraGroups;

/** A database of that history at head, and what was done to it. */
export type SchemaWorld = {
  readonly isRestored: boolean;
  readonly hasRows: boolean;
  readonly alterations: readonly (Alteration & { readonly kind: KindName })[];
  readonly extra: { readonly group: ExtraGroup; readonly sql: string } | null;
};

const objectsEach = 12;

const drawnObject = fc.record({
  expression: fc.nat({ max: 9999 }),
  choices: fc.array(fc.nat({ max: 9999 }), { minLength: 6, maxLength: 6 }),
});

export const anySchema: fc.Arbitrary<RichSchema> = fc
  .record({
    baked: fc.constantFrom(...majors.filter((major) => major >= 15)),
    // The newest brings kinds that the others do not have; on the oldest is restored only what was made there.
    pair: fc.oneof(
      { weight: 3, arbitrary: fc.constant([18, 18] as const) },
      { weight: 1, arbitrary: fc.constant([13, 13] as const) },
      { weight: 6, arbitrary: fc.tuple(fc.constantFrom(...majors), fc.constantFrom(...majors)) },
    ),
    home: fc.constantFrom<RichSchema["home"]>("public", "app"),
    files: fc.integer({ min: 1, max: 3 }),
    kinds: fc.shuffledSubarray(kindNames, { minLength: kindNames.length }),
    objects: fc.array(drawnObject, { minLength: objectsEach, maxLength: objectsEach }),
  })
  .map(({ baked, pair, home, files, kinds, objects }) => {
    // A dump of a newer server is not made for an older one.
    const [made, restored] = pair.toSorted((a, b) => a - b) as [Major, Major];
    const bakedHere = made === 18 ? 18 : baked;
    const oldest = Math.min(bakedHere, made);
    // What only the newest has is met there or nowhere.
    const isNewest = (kind: KindName): boolean => sinceOf(schemaKinds[kind]) === majors.at(-1);
    const known = kinds
      .filter((kind) => sinceOf(schemaKinds[kind]) <= oldest)
      .toSorted((a, b) => Number(isNewest(b)) - Number(isNewest(a)));
    const list = objects.map((drawn, at) => {
      const kind = known[at]!;
      return { kind, ...schemaKinds[kind].of(detailsOf(drawn, String(at + 1))) };
    });
    const texts = [users, ...list.map(({ make }) => `${make};`)];
    const each = Math.ceil(texts.length / files);
    return {
      baked: bakedHere,
      made,
      restored,
      home,
      files: Array.from({ length: files }, (_, at) =>
        texts.slice(at * each, (at + 1) * each).join("\n"),
      ),
      objects: list,
    };
  });

export function sinceOf({ since = 13 }: SchemaKind): number {
  return since;
}

/** Choices come in the order in which a kind asks for them. */
export function detailsOf(
  drawn: { readonly expression: number; readonly choices: readonly number[] },
  n: string,
): Details {
  const expression = expressions[drawn.expression % expressions.length]!;
  const left = [...drawn.choices];
  return {
    n,
    truth: (prefix = "") => expression((column) => `${prefix}${column}`),
    constant: expression((column) => columns[column][1]),
    list: Object.entries(columns)
      .map(([name, [type]]) => `${name} ${type}`)
      .join(", "),
    choose: (...choices) => choices[(left.shift() ?? 0) % choices.length]!,
  };
}

export function anySchemaWorld(schema: RichSchema): fc.Arbitrary<SchemaWorld> {
  return fc
    .record({
      isRestored: fc.boolean(),
      hasRows: fc.oneof(
        { weight: 3, arbitrary: fc.constant(true) },
        { weight: 1, arbitrary: fc.constant(false) },
      ),
      objects: fc.shuffledSubarray([...schema.objects.keys()], { maxLength: 2 }),
      alterations: fc.tuple(fc.nat({ max: 9999 }), fc.nat({ max: 9999 })),
      extra: fc.option(
        fc.record({
          group: fc.constantFrom(...(Object.keys(extraGroups) as ExtraGroup[])),
          pick: fc.nat({ max: 9999 }),
        }),
        { freq: 2 },
      ),
    })
    .map(({ isRestored, hasRows, objects, alterations, extra }) => {
      const major = isRestored ? schema.restored : schema.made;
      return {
        isRestored,
        // With several files the schema may be exactly that of an earlier one.
        hasRows: hasRows || schema.files.length > 1,
        alterations: objects.map((at, index) => {
          const { kind, alterations: all } = schema.objects[at]!;
          const known = all.filter(({ since = 13 }) => since <= major);
          return { kind, ...known[alterations[index]! % known.length]! };
        }),
        extra: extra && { group: extra.group, sql: pickOf(extraGroups[extra.group], extra.pick) },
      };
    });
}

function pickOf(list: readonly string[], pick: number): string {
  return list[pick % list.length]!;
}

/** What the program must answer, from how the world was made. */
export function answerOf(world: SchemaWorld, schema: RichSchema): Answer {
  const found = answersOf(world, schema);
  return found.includes("drift") ? "drift" : found.includes("said") ? "said" : "nothing";
}

function answersOf({ alterations, extra, isRestored }: SchemaWorld, schema: RichSchema): Answer[] {
  const major = isRestored ? schema.restored : schema.made;
  const printsViewsAlike = printerOf(major) === printerOf(schema.baked);
  return [
    ...alterations.map(({ answer, isAboutView }) =>
      isAboutView && !printsViewsAlike ? "nothing" : answer,
    ),
    ...(extra === null ? [] : [extra.group in harmful ? ("drift" as const) : ("nothing" as const)]),
  ];
}

/** The text of views is compared between servers that print them alike. */
function printerOf(major: Major): number {
  return major >= 16 ? 16 : major >= 14 ? 14 : 13;
}

export function describeSchemaWorld(world: SchemaWorld, schema: RichSchema): string {
  const { baked, made, restored, home, files } = schema;
  const way = world.isRestored ? `made on ${made}, restored on ${restored}` : `made on ${made}`;
  const done = [
    ...world.alterations.map(({ kind, sql }) => `${kind}: ${sql}`),
    ...(world.extra === null ? [] : [`${world.extra.group}: ${world.extra.sql}`]),
  ];
  return [
    `${files.length} files, baked on ${baked}, ${way}, home ${home}`,
    world.hasRows ? "rows" : "no rows",
    ...done,
  ].join(" | ");
}
