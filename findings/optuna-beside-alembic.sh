#!/usr/bin/env bash
# Optuna 5.0.0, Alembic 1.20.1, SQLAlchemy 2.0.58: in the schema of an application that uses Alembic, Optuna takes the application's
# alembic_version for its own.
#
# Expected: a library that keeps studies in an application's database has a version table of its own, or says that the name is taken.
# Seen: both histories share public.alembic_version. Where the application was first, Optuna makes its twelve tables, reads the
#   application's revision as its own, and tells to update Optuna, which is the newest; it never records a revision. Where Optuna was
#   first, the application's `alembic upgrade head` cannot locate Optuna's revision, and nothing of it runs.
# Without Optuna's help: a schema of its own (…?options=-csearch_path=optuna), or version_table in the application's env.py.
# Run: bash findings/optuna-beside-alembic.sh postgresql+psycopg://… (python3 with venv; an empty database, which keeps what is made)
set -euo pipefail
export URL=${1:?the address of an empty PostgreSQL database}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check optuna==5.0.0 alembic==1.20.1 SQLAlchemy==2.0.58 'psycopg[binary]==3.3.9'
export PATH="$work/venv/bin:$PATH"

mkdir -p migrations/versions
printf '[alembic]\nscript_location = migrations\npath_separator = os\n' >alembic.ini
printf 'from alembic import op\nrevision = "a1"\ndown_revision = None\ndef upgrade(): op.execute("CREATE TABLE orders (id int)")\ndef downgrade(): pass\n' >migrations/versions/a1.py
cat >migrations/env.py <<'PY'
import os
from alembic import context
from sqlalchemy import create_engine, pool
with create_engine(os.environ["URL"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
PY
study() { python -c 'import os, optuna; optuna.create_study(storage=os.environ["URL"])' 2>&1; }
sql() { python -c 'import os, sys, sqlalchemy as sa
with sa.create_engine(os.environ["URL"]).begin() as c:
    r = c.execute(sa.text(sys.argv[1]))
    print(*[row[0] for row in r] if r.returns_rows else [])' "$1"; }

echo "the application first:" && alembic upgrade head
{ study || true; } | tee first.txt | tail -n 1
echo "tables: $(sql "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), alembic_version: $(sql 'SELECT version_num FROM alembic_version' | tee rows.txt)"
sql 'DROP SCHEMA public CASCADE' && sql 'CREATE SCHEMA public'
echo "Optuna first:" && study | tail -n 1
{ alembic upgrade head 2>&1 || true; } | tee second.txt | tail -n 1

grep -q 'no longer compatible with the table schema.*updating optuna' first.txt && [ "$(cat rows.txt)" = a1 ] &&
  grep -q "Can't locate revision identified by 'v" second.txt ||
  { echo "changed: Optuna no longer takes the application's version table for its own" >&2; exit 1; }
echo "as described"
