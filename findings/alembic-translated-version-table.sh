#!/usr/bin/env bash
# Alembic 1.20.1, SQLAlchemy 2.0.58: with schema_translate_map={None: "app"} every `alembic upgrade` begins at the first revision.
#
# Expected: a map of the connection that leads tables without a schema to "app" leads Alembic's version table there, too,
#   each time.
# Seen: the first run writes app.alembic_version. Each later one asks whether there is an alembic_version in the default
#   schema, which the map does not change, finds none, and runs all revisions again; here only the primary key of the version
#   table, in which they are recorded a second time, undoes that.
# Without Alembic's help: version_table_schema="app" beside the map, or a search_path in its place.
# Run: bash findings/alembic-translated-version-table.sh postgresql+psycopg2://… (python3 with venv; an empty database, which keeps what is made)
set -euo pipefail
export URL=${1:?the address of an empty PostgreSQL database}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check alembic==1.20.1 SQLAlchemy==2.0.58 psycopg2-binary==2.9.13
export PATH="$work/venv/bin:$PATH"

mkdir -p migrations/versions
printf '[alembic]\nscript_location = migrations\npath_separator = os\n' >alembic.ini
printf 'revision = "a1"\ndown_revision = None\ndef upgrade(): print("a1 runs")\ndef downgrade(): pass\n' >migrations/versions/a1.py
cat >migrations/env.py <<'PY'
import os
from alembic import context
from sqlalchemy import create_engine, pool, text
with create_engine(os.environ["URL"], poolclass=pool.NullPool).connect() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS app"))
    connection.commit()
    mapped = connection.execution_options(schema_translate_map={None: "app"})
    context.configure(connection=mapped, version_table_schema=os.environ.get("VERSION_SCHEMA"))
    with context.begin_transaction():
        context.run_migrations()
PY
echo "the first upgrade:" && alembic upgrade head && echo "is done"
echo "the second one:" && { alembic upgrade head 2>&1 || true; } | tee second.txt | grep 'a1 runs\|already exists'
export VERSION_SCHEMA=app
alembic upgrade head && alembic upgrade head && echo "with version_table_schema it is done, each time"

grep -q '^a1 runs' second.txt && grep -q 'Key (version_num)=(a1) already exists' second.txt ||
  { echo "changed: the second upgrade does not run a1 again any more" >&2; exit 1; }
echo "as described"
