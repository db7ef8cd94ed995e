import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { findHistory } from "../../src/tools/registry.ts";
import type { ManagedExtension } from "../../src/tools/tool.ts";
import { type Written, writeHistory } from "../support/histories.ts";

const places: string[] = [];
afterAll(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true });
});

async function readAll(cwd: string): Promise<readonly ManagedExtension[]> {
  places.push(cwd);
  const candidate = await findHistory({ cwd, env: {}, migrations: null, tool: null });
  return await (await candidate.read(new Map())).readExtensions();
}

/** Those that are created on every database. */
async function read(cwd: string): Promise<readonly Pick<ManagedExtension, "name" | "line">[]> {
  const sure = (await readAll(cwd)).filter(({ does, isSure }) => does === "creates" && isSure);
  return sure.map(({ name, file, line }) => ({ name, file, line }));
}

async function inRevision(upgrade: string, more: Partial<Written> = {}): Promise<string> {
  const found = await read(writeHistory([{ id: "one", upgrade, ...more }]));
  return found.map(({ name, line }) => `${name}:${line}`).join(" ");
}

test("SQL files: each statement, in any spelling; not what a block may have asked for first", async () => {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-extensions-"));
  mkdirSync(path.join(cwd, "migrations"));
  writeFileSync(
    path.join(cwd, "migrations/001_first.sql"),
    [
      "-- CREATE EXTENSION in_a_comment;",
      'create extension if not exists "uuid-ossp" with schema public; CREATE EXTENSION Vector',
      "  CASCADE;",
      "DO $$ BEGIN CREATE EXTENSION in_a_block; END $$;",
      "COMMENT ON EXTENSION vector IS 'CREATE EXTENSION in_a_text;';",
    ].join("\n"),
  );
  writeFileSync(path.join(cwd, "migrations/002_second.sql"), "DROP EXTENSION vector;");
  const file = "migrations/001_first.sql";
  expect(await read(cwd)).toEqual([
    { name: "uuid-ossp", file, line: 2 },
    { name: "vector", file, line: 2 },
  ]);
});

test("Alembic: what upgrade() executes as text, in its transaction and out of it", async () => {
  const found = await inRevision(`bind = op.get_bind()
op.execute("CREATE EXTENSION IF NOT EXISTS vector")
bind.execute(sa.text("CREATE EXTENSION " 'citext'))
with op.get_context().autocommit_block():
    op.execute(sa.text("""
        CREATE EXTENSION pg_cron
    """))`);
  expect(found).toBe("vector:14 citext:15 pg_cron:17");
});

test.each([
  ["a condition", 'if op.get_bind().dialect.name == "x":\n    op.execute("CREATE EXTENSION v")'],
  ["an error that is caught", 'try:\n    op.execute("CREATE EXTENSION v")\nexcept Exception: pass'],
  ["behind a return", 'if os.environ.get("X"):\n    return\nop.execute("CREATE EXTENSION v")'],
  ["a loop", 'for name in []:\n    op.execute("CREATE EXTENSION v")'],
  ["a function in it", 'def more():\n    op.execute("CREATE EXTENSION v")'],
  ["another text", 'print("CREATE EXTENSION v")\nop.execute(f"CREATE EXTENSION {__name__}")'],
  ["who knows what", 'with open("x"):\n    op.execute("CREATE EXTENSION v")'],
])("Alembic: %s is left out", async (_, upgrade) => {
  expect(await inRevision(upgrade)).toBe("");
});

test("Alembic: an upgrade() that another takes the place of, and a downgrade()", async () => {
  const cwd = writeHistory([{ id: "one", upgrade: 'op.execute("CREATE EXTENSION v")' }]);
  const file = path.join(cwd, "alembic/versions/one.py");
  const text = (body: string, last: string): string =>
    `from alembic import op\nrevision = "one"\ndown_revision = None\n\n\n${body}\n\n\n${last}\n`;
  const creates = 'op.execute("CREATE EXTENSION v")';
  writeFileSync(file, text(`def upgrade():\n    ${creates}`, "upgrade = print"));
  expect(await read(cwd)).toEqual([]);
  writeFileSync(file, text("def upgrade():\n    pass", `def downgrade():\n    ${creates}`));
  expect(await read(cwd)).toEqual([]);
});
