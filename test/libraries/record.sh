#!/usr/bin/env bash
# Records what libraries make when they start: each makes its tables in a database of its own, by its own function, and pg_dump writes down
# what came of it. Give the first line of a file, which says the version, by hand; comments in functions are left out.
#
# Run: bash test/libraries/record.sh postgresql://… NAME … (a superuser; LangChain and LlamaIndex need the extension vector)
set -euo pipefail
server=${1:?the address of a PostgreSQL server, with a slash and no database}
shift
here=$(cd "$(dirname "$0")" && pwd)
beside="$here/../proof/real/beside"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$beside/requirements.txt" -r "$here/requirements.txt"
cp "$here/libraries.mjs" "$work"
npm install --silent --no-audit --no-fund --prefix "$work" connect-pg-simple@10.0.0 express-session@1.19.0 graphile-worker@0.17.3 pg@8.23.1 pg-boss@10.4.2

for name in "$@"; do
  psql -q "${server}postgres" -c "DROP DATABASE IF EXISTS \"$name\"" -c "CREATE DATABASE \"$name\""
  case $name in
    connect-pg-simple | graphile-worker | pg-boss) node "$work/libraries.mjs" "$server$name" "$name" ;;
    langchain | llama-index) "$work/venv/bin/python" "$here/vectors.py" "$server$name" "$name" ;;
    *) "$work/venv/bin/python" "$beside/libraries.py" "$server$name" "$name" ;;
  esac
  { echo "-- $name"
    echo 'SET check_function_bodies = false;'
    pg_dump --no-owner --no-privileges --no-comments --inserts "$server$name" |
      sed -E '/^(\\|--|SET |SELECT pg_catalog.set_config|CREATE SCHEMA public|CREATE EXTENSION|$)/d; s/public\.vector(\([0-9]+\))?/text/'
  } >"$here/$name.sql"
done
