import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { History } from "../../src/core/history.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";

/** A migration as a test writes it. */
export type Migration = {
  readonly id: string;
  readonly parents?: readonly string[];
  readonly dependsOn?: readonly string[];
  /** Lines of `upgrade()`; none: it does nothing. */
  readonly upgrade?: readonly string[];
};

export type HistoryOnDisk = {
  readonly directory: string;
  readonly history: History;
  readonly remove: () => Promise<void>;
};

/**
 * An Alembic project in a temporary directory.
 * @param options.migrations parents first
 * @param options.url Python expression of the database's URL
 * @param options.configure further arguments of `context.configure`
 */
export async function writeHistory(options: {
  readonly migrations: readonly Migration[];
  readonly url?: string;
  readonly configure?: string;
}): Promise<HistoryOnDisk> {
  const { migrations, url = 'os.environ["DATABASE_URL"]', configure = "" } = options;
  const directory = await mkdtemp(join(tmpdir(), "preflight-history-"));
  await mkdir(join(directory, "alembic/versions"), { recursive: true });
  await writeFile(
    join(directory, "alembic.ini"),
    "[alembic]\nscript_location = %(here)s/alembic\n",
  );
  await writeFile(join(directory, "alembic/env.py"), envPy(url, configure));
  for (const migration of migrations)
    await writeFile(
      join(directory, "alembic/versions", `${migration.id}.py`),
      migrationPy(migration),
    );
  return {
    directory,
    history: historyOf(migrations),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

function historyOf(migrations: readonly Migration[]): History {
  const needs = new Map(
    migrations.map(({ id, parents = [], dependsOn = [] }) => [id, [...parents, ...dependsOn]]),
  );
  const parents = new Set(migrations.flatMap((migration) => migration.parents ?? []));
  return {
    tool: alembic,
    revisions: new Map(
      migrations.map(({ id, parents = [], dependsOn = [] }) => [
        id,
        {
          id,
          parents,
          dependsOn,
          labels: [],
          title: "",
          file: `${id}.py`,
          hash: "",
          isEmpty: false,
          isAtomic: true,
          saysIfNotExists: false,
          readsEnvironment: false,
          sketch: [],
        },
      ]),
    ),
    heads: migrations
      .map(({ id }) => id)
      .filter((id) => !parents.has(id))
      .sort(),
    bases: migrations
      .filter(({ parents = [] }) => parents.length === 0)
      .map(({ id }) => id)
      .sort(),
    needs,
  };
}

function envPy(url: string, configure: string): string {
  return `
import os
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

engine = create_engine(${url}, poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, ${configure})
    with context.begin_transaction():
        context.run_migrations()
`;
}

function migrationPy({ id, parents = [], dependsOn = [], upgrade = [] }: Migration): string {
  return `
import sqlalchemy as sa
from alembic import op
revision = ${JSON.stringify(id)}
down_revision = ${parents.length === 0 ? "None" : `(${parents.map((parent) => `${JSON.stringify(parent)},`).join("")})`}
depends_on = ${dependsOn.length === 0 ? "None" : JSON.stringify(dependsOn)}


def upgrade():
    ${[...upgrade, "pass"].join("\n    ")}
`;
}
