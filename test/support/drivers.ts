/** Drivers of PostgreSQL that an env.py may use, by SQLAlchemy's name. */
export const drivers = ["psycopg", "psycopg2", "asyncpg", "pg8000"] as const;

export type Driver = (typeof drivers)[number];

/** An env.py that takes its driver from DRIVER, its address from DATABASE_URL, and runs these lines of Python first. */
export function envWith(...lines: readonly string[]): string {
  return `import asyncio
import os
import time

from alembic import context
from sqlalchemy import create_engine, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

url = context.config.get_main_option("sqlalchemy.url") or os.environ["DATABASE_URL"]
driver = os.environ.get("DRIVER", "psycopg")
url = "postgresql+" + driver + "://" + url.split("://", 1)[1]


def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_async():
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(begin)
        await connection.commit()
    await engine.dispose()


def begin(connection):
${["pass", ...lines].map((line) => `    ${line}`).join("\n")}
    migrate(connection)


if driver == "asyncpg":
    asyncio.run(migrate_async())
else:
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        begin(connection)
        connection.commit()
`;
}
