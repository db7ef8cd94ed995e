import { describe, expect, it, test } from "vitest";
import { combine } from "../../src/core/knowledge.ts";
import type { Observation, VersionTable } from "../../src/core/observation.ts";
import { lackOfActing, lackOfReading } from "../../src/core/privileges.ts";
import type { Step } from "../../src/core/step.ts";
import {
  databaseAt,
  fact,
  historyOf,
  knowledgeOf,
  type ModelRevision,
  observe,
  revision,
  table,
} from "./model.ts";

const revisions: readonly ModelRevision[] = [
  revision("base", [], table("orders", "total")),
  revision("names", ["base"], [fact("column", "public.orders", "name", "text")]),
  revision("notes", ["names"], table("notes", "text")),
  revision("sales", ["notes"], [fact("schema", "sales"), fact("table", "sales.bills", "", "r")]),
  revision("a_revision_with_an_id_of_more_than_32_characters", ["sales"]),
];

const upgrade = (...ids: readonly string[]): Step => ({ kind: "upgrade", revisions: ids });
const stampTo = (to: string): Step => ({ kind: "stamp", from: [], to: [to], because: "proven" });

const at = observe(databaseAt(revisions, ["base"], ["base"]));
const table0 = at.versionTable!;

type Case = {
  readonly role?: Partial<Observation["role"]>;
  readonly server?: Partial<Observation["server"]>;
  readonly home?: Observation["home"];
  readonly versionTable?: Partial<VersionTable> | null;
  readonly steps: readonly Step[];
  readonly withoutLedger?: boolean;
};

function lacking({
  role,
  server,
  home = at.home,
  versionTable = {},
  steps,
  withoutLedger = false,
}: Case) {
  const observation: Observation = {
    ...at,
    role: { ...at.role, ...role },
    server: { ...at.server, ...server },
    home,
    versionTable: versionTable === null ? null : { ...table0, ...versionTable },
  };
  const knowledge = withoutLedger ? combine(historyOf(revisions), null) : knowledgeOf(revisions);
  const name = { schema: null, name: "alembic_version" };
  const lack = lackOfActing({ observation, knowledge, versionTable: name, steps });
  return lack === null ? null : { outcome: lack.outcome, reason: lack.message, next: lack.next };
}

const closed = { schemas: { public: { canUse: true, canCreate: false } } };

describe("what acting needs", () => {
  test.each<readonly [name: string, given: Case]>([
    ["an owner", { steps: [upgrade("names", "notes", "sales")] }],
    ["a new column needs no new table", { role: closed, steps: [upgrade("names")] }],
    ["a stamp needs no new table", { role: closed, steps: [stampTo("base")] }],
    [
      "a schema that a revision makes is its own",
      { role: { schemas: at.role.schemas }, steps: [upgrade("sales")] },
    ],
  ])("%s: nothing is lacking", (_, given) => {
    expect(lacking(given)).toBeNull();
  });

  test.each<readonly [name: string, given: Case, says: RegExp, next: string]>([
    [
      "no row may be written",
      { versionTable: { canWrite: false }, steps: [upgrade("names")] },
      /may not write the version table public\.alembic_version$/,
      'GRANT SELECT, INSERT, UPDATE, DELETE ON public.alembic_version TO "shop"',
    ],
    [
      "row security guards the version table",
      { versionTable: { isGuarded: true }, steps: [upgrade("names")] },
      /may not write every row of the version table/,
      'CREATE POLICY preflight_writes ON public.alembic_version TO "shop" USING (true)',
    ],
    [
      "a table is to be made in a closed schema",
      { role: closed, steps: [upgrade("names", "notes")] },
      /may not create tables in schema public \(since PostgreSQL 15 not everybody may\)$/,
      'GRANT USAGE, CREATE ON SCHEMA public TO "shop"',
    ],
    [
      "the version table itself is to be made there",
      { role: closed, versionTable: null, steps: [stampTo("base")] },
      /may not create tables in schema public/,
      'GRANT USAGE, CREATE ON SCHEMA public TO "shop"',
    ],
    [
      "without a ledger, the usual is assumed",
      { role: closed, withoutLedger: true, steps: [upgrade("names")] },
      /may not create tables in schema public/,
      'GRANT USAGE, CREATE ON SCHEMA public TO "shop"',
    ],
    [
      "a schema is to be made",
      { role: { canCreateSchema: false }, steps: [upgrade("sales")] },
      /may not create schemas or extensions in database shop$/,
      'GRANT CREATE ON DATABASE "shop" TO "shop"',
    ],
    [
      "another's column is too narrow for a stamp",
      { versionTable: { owned: false }, steps: [stampTo("base")] },
      /does not own the version table .* too narrow \(32 characters\)/,
      "ALTER TABLE public.alembic_version ALTER COLUMN version_num TYPE VARCHAR(48)",
    ],
  ])("%s: 77, with the SQL that grants it", (_, given, says, next) => {
    const lack = lacking(given);
    expect(lack).toMatchObject({ outcome: "permission" });
    expect(lack?.reason).toMatch(says);
    expect(lack?.next).toContain(next);
  });

  it("is named all at once", () => {
    const lack = lacking({
      role: { ...closed, canCreateSchema: false },
      versionTable: { canWrite: false },
      steps: [upgrade("names", "notes", "sales")],
    });
    expect(lack?.reason.split("; it ")).toHaveLength(3);
    expect(lack?.next).toHaveLength(4);
  });

  test.each<readonly [name: string, given: Case, outcome: string, says: RegExp]>([
    ...(
      [
        ["user", "permission", /: role shop has default_transaction_read_only on/],
        ["database user", "permission", /: role shop in database \w+ has/],
        ["client", "permission", /: the address \(options, PGOPTIONS\) has/],
        ["database", "unavailable", /: database \w+ has/],
        ["configuration file", "unavailable", /: the server has/],
      ] as const
    ).map(
      ([by, outcome, says]) =>
        [
          `read-only by ${by}`,
          { server: { readOnly: true, readOnlyBy: by }, steps: [upgrade("names")] },
          outcome,
          says,
        ] as const,
    ),
    [
      "a search path that begins with the session's own schema",
      { role: { searchPath: ["pg_temp", "public"] }, steps: [upgrade("names")] },
      "config",
      /would be temporary/,
    ],
    [
      "a search path of which nothing exists",
      {
        role: { searchPath: ["elsewhere"] },
        server: { searchPath: [] },
        home: {
          schema: "elsewhere",
          spelled: "elsewhere",
          by: "path",
          createsIn: null,
          program: null,
        },
        versionTable: null,
        steps: [upgrade("names")],
      },
      "config",
      /search_path of role shop is elsewhere/,
    ],
  ])("%s is another outcome", (_, given, outcome, says) => {
    const lack = lacking(given);
    expect(lack).toMatchObject({ outcome });
    expect(lack?.reason).toMatch(says);
  });
});

describe("what reading needs", () => {
  const read = (rest: Partial<Observation>) => lackOfReading({ ...at, ...rest }, "alembic_version");
  const unreadable: VersionTable = {
    ...table0,
    rows: null,
    unreadable: "permission",
    canRead: false,
  };

  it("is there", () => {
    expect(read({})).toBeNull();
  });

  it("is a right on the table", () => {
    expect(read({ versionTable: unreadable })).toMatchObject({
      outcome: "permission",
      next: ['GRANT SELECT ON public.alembic_version TO "shop"'],
    });
  });

  it("is a right on the schema as well, where the table is nowhere on the search path", () => {
    const lack = read({
      versionTable: null,
      otherVersionTables: [unreadable],
      server: { ...at.server, searchPath: [] },
      role: { ...at.role, schemas: { public: { canUse: false, canCreate: false } } },
    });
    expect(lack?.next).toEqual([
      'GRANT USAGE ON SCHEMA public TO "shop"',
      'GRANT SELECT ON public.alembic_version TO "shop"',
    ]);
  });

  it("is a policy where row security hides rows", () => {
    const lack = read({ versionTable: { ...unreadable, canRead: true } });
    expect(lack?.message).toContain("row security may hide rows");
    expect(lack?.next[0]).toContain(
      "CREATE POLICY preflight_reads ON public.alembic_version FOR SELECT",
    );
  });
});
