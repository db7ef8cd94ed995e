"""The shop reads its database's address from DATABASE_URL, as most applications do."""

import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine, pool

try:
    import psycopg  # noqa: F401

    driver = "postgresql+psycopg"
except ImportError:
    driver = "postgresql+psycopg2"

fileConfig(context.config.config_file_name)
url = driver + "://" + os.environ["DATABASE_URL"].split("://", 1)[1]

with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
