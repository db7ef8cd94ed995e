#!/usr/bin/env bash
# Alembic 1.20.0, CPython 3: with `sourceless = true` a revision whose .py file was deleted is still a revision.
#
# Expected: `sourceless` lets a project ship .pyc files instead of .py files (python -m compileall -b); a revision
#   whose source was deleted is gone.
# Seen: Python's own cache counts as well. Whatever versions/__pycache__ holds from an earlier command is a revision of
#   the history: it is listed, it is a head, and `upgrade` runs it. A deleted branch gives the history two heads again, on
#   the machines alone that have run it before: a fresh checkout of the same commit has one.
# Run: bash findings/alembic-sourceless-keeps-deleted-revisions.sh (python3 with venv; no database server is needed)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check alembic==1.20.0 SQLAlchemy==2.0.43
export PATH="$work/venv/bin:$PATH"
unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX

alembic init --template generic migrations >/dev/null
sed -i 's|^sqlalchemy.url = .*|sqlalchemy.url = sqlite:///app.db|' alembic.ini
sed -i 's|^script_location = .*|&\nsourceless = true|' alembic.ini
revision() {
  printf 'revision = "%s"\ndown_revision = %s\ndef upgrade():\n    print("%s runs")\ndef downgrade():\n    pass\n' "$1" "$2" "$1" \
    >"migrations/versions/$1.py"
}
revision first None
revision kept '"first"'
revision dropped '"first"'

alembic heads >/dev/null # Python fills migrations/versions/__pycache__
rm migrations/versions/dropped.py
echo "after deleting dropped.py, with the cache of an earlier command:"
alembic heads | tee heads.txt
alembic upgrade dropped 2>&1 | tee upgrade.txt | grep runs || true
rm -r migrations/versions/__pycache__
echo "without that cache, as in a fresh checkout:"
alembic heads | tee fresh.txt

grep -q '^dropped (head)' heads.txt && grep -q '^dropped runs' upgrade.txt && ! grep -q dropped fresh.txt ||
  { echo "changed: a deleted revision no longer lives on in the cache" >&2; exit 1; }
echo "as described"
