"""Ten libraries that keep tables of their own in an application's database make them, where an address leads.

libraries.py URL [NAME …]: a libpq address with its password, if it has one; of LIBRARIES these alone
"""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import django
import procrastinate
import psycopg
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from casbin_sqlalchemy_adapter import Adapter
from celery import Celery
from django.conf import settings
from django.core.management import call_command
from flask import Flask
from flask_session import Session
from langgraph.checkpoint.postgres import PostgresSaver
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from psycopg.conninfo import conninfo_to_dict


def main(url: str, *names: str) -> None:
    for name in names or LIBRARIES:
        LIBRARIES[name](url)


def as_sqlalchemy(url: str) -> str:
    return url.replace("postgres://", "postgresql://").replace("postgresql://", "postgresql+psycopg://")


def procrastinate_jobs(url: str) -> None:
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=url))
    with app.open():
        app.schema_manager.apply_schema()


def django_contrib(url: str) -> None:
    address = conninfo_to_dict(url)
    contrib = ("admin", "auth", "contenttypes", "sessions", "messages")
    settings.configure(
        INSTALLED_APPS=[f"django.contrib.{name}" for name in contrib],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": address["dbname"],
                "HOST": address["host"],
                "PORT": address.get("port", ""),
                "USER": address["user"],
                "PASSWORD": address.get("password", ""),
                "OPTIONS": {"options": address.get("options", "")},
            }
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)


def langgraph_checkpoints(url: str) -> None:
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()


def celery_results(url: str) -> None:
    Celery(backend=f"db+{as_sqlalchemy(url)}").backend.ResultSession().close()


def apscheduler_jobs(url: str) -> None:
    SQLAlchemyJobStore(url=as_sqlalchemy(url)).start(None, "default")


def casbin_rules(url: str) -> None:
    Adapter(as_sqlalchemy(url))


def flask_sessions(url: str) -> None:
    app = Flask(__name__)
    app.config.update(SESSION_TYPE="sqlalchemy", SQLALCHEMY_DATABASE_URI=as_sqlalchemy(url))
    Session(app)


def pgqueuer_queue(url: str) -> None:
    asyncio.run(install_pgqueuer(url))


async def install_pgqueuer(url: str) -> None:
    # asyncpg has no `options` in an address.
    address = conninfo_to_dict(url)
    connection = await asyncpg.connect(
        host=address["host"],
        port=int(address.get("port", 5432)),
        user=address["user"],
        password=address.get("password"),
        database=address["dbname"],
    )
    with psycopg.connect(url) as shown:
        (path,) = shown.execute("SHOW search_path").fetchone()
    await connection.execute("SELECT set_config('search_path', $1, false)", path)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()


def tool(name: str, *words: str) -> None:
    subprocess.run([Path(sys.executable).with_name(name), *words], check=True, stdout=subprocess.DEVNULL)


def dramatiq_queue(url: str) -> None:
    tool("dramatiq-pg", "--connstring", url, "init")


def dbos_workflows(url: str) -> None:
    tool("dbos", "migrate", "--sys-db-url", url)


LIBRARIES = {
    "apscheduler": apscheduler_jobs,
    "casbin": casbin_rules,
    "celery": celery_results,
    "dbos": dbos_workflows,
    "django": django_contrib,
    "dramatiq-pg": dramatiq_queue,
    "flask-session": flask_sessions,
    "langgraph": langgraph_checkpoints,
    "pgqueuer": pgqueuer_queue,
    "procrastinate": procrastinate_jobs,
}
main(*sys.argv[1:])
