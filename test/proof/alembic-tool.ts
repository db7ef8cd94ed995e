import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { quoted } from "./ground.ts";
import type { Program, ProofRevision } from "./history.ts";
import type { ProofTool } from "./tool.ts";

const shop = path.join(import.meta.dirname, "../../examples/shop");

/** Alembic: one row, the newest revision. */
export const alembicTool: ProofTool = {
  versionTable: "alembic_version",
  ownTable: "shop_alembic_version",
  column: "version_num",
  write: (directory, { revisions, program }, count) => {
    mkdirSync(path.join(directory, "alembic/versions"), { recursive: true });
    writeFileSync(
      path.join(directory, "alembic.ini"),
      readFileSync(path.join(shop, "alembic.ini"), "utf8"),
    );
    writeFileSync(path.join(directory, "alembic/env.py"), environmentText(program));
    for (const [index, revision] of revisions.slice(0, count).entries())
      writeFileSync(
        path.join(directory, "alembic/versions", `${revision.id}_${revision.name}.py`),
        revisionText(revision, revisions[index - 1]?.id ?? null),
      );
  },
  create: ({ schema, name }) => `
    CREATE TABLE ${quoted(schema)}.${name} (version_num varchar(32) NOT NULL CONSTRAINT ${name}_pkc PRIMARY KEY)`,
  record: ({ schema, name }, { revisions }, count) =>
    revisions
      .slice(0, count)
      .slice(-1)
      .map(({ id }) => `INSERT INTO ${quoted(schema)}.${name} VALUES ('${id}')`),
  recordUnknown: ({ schema, name }) => [
    `UPDATE ${quoted(schema)}.${name} SET version_num = '9999'`,
  ],
  recordForeign: ({ schema, name }) => `INSERT INTO ${quoted(schema)}.${name} VALUES ('zzzz9999')`,
  claimed: (rows, { revisions }) => {
    const newest = revisions.findIndex(({ id }) => rows.includes(id));
    const unknown = rows.filter((row) => !revisions.some(({ id }) => id === row));
    return [...revisions.slice(0, newest + 1).map(({ id }) => id), ...unknown];
  },
};

/** The schema that a program with a fixed one puts first. */
export const fixedSchema = "app";

/** The shop's env.py, with a version table of a variable's name, and a search_path of its own where there is one. */
function environmentText(program: Program): string {
  const text = readFileSync(path.join(shop, "alembic/env.py"), "utf8").replace(
    "connection=connection",
    'connection=connection, version_table=os.environ.get("VERSION_TABLE", "alembic_version")',
  );
  if (program === "path") return text;
  const statement =
    program === "fixed"
      ? `text("SET search_path TO ${fixedSchema}")`
      : `text('SET search_path TO "' + os.environ.get("DB_SCHEMA", "${fixedSchema}") + '"')`;
  return text
    .replace("import create_engine, pool", "import create_engine, pool, text")
    .replace(
      "    context.configure(",
      `    connection.execute(${statement})\n    connection.commit()\n    context.configure(`,
    );
}

function revisionText({ id, statements }: ProofRevision, before: string | null): string {
  const body = statements.map((statement) =>
    statement.includes(" CONCURRENTLY")
      ? `    with op.get_context().autocommit_block():\n        op.execute(${JSON.stringify(statement)})`
      : `    op.execute(${JSON.stringify(statement)})`,
  );
  return [
    "from alembic import op",
    "",
    `revision = "${id}"`,
    `down_revision = ${before === null ? "None" : `"${before}"`}`,
    "",
    "",
    "def upgrade():",
    ...body,
    "",
    "",
    "def downgrade():",
    "    pass",
    "",
  ].join("\n");
}
