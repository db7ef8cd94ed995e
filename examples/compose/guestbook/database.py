"""Where the database is. Preflight reads the same variables."""

from os import environ
from pathlib import Path

from sqlalchemy import URL, create_engine


def password() -> str | None:
    """A secret is mounted as a file; `preflight bake` has a scratch server that may need none."""
    if file := environ.get("POSTGRES_PASSWORD_FILE"):
        return Path(file).read_text().rstrip("\r\n")
    return environ.get("POSTGRES_PASSWORD")


url = URL.create(
    "postgresql+psycopg",
    host=environ["POSTGRES_HOST"],
    port=int(environ.get("POSTGRES_PORT", 5432)),
    username=environ["POSTGRES_USER"],
    password=password(),
    database=environ["POSTGRES_DB"],
)

engine = create_engine(url, pool_pre_ping=True)
