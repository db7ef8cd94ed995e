#!/bin/bash
# The variables are those that the image edoburu/pgbouncer documents: DATABASE_URL or DB_…, and PgBouncer's settings in capitals.
set -euo pipefail

settings=/etc/pgbouncer/pgbouncer.ini
users=${AUTH_FILE:-/etc/pgbouncer/userlist.txt}

if [ -n "${DATABASE_URL-}" ]; then
  [[ $DATABASE_URL =~ ^postgres(ql)?://([^:/@]*)(:([^@]*))?@([^:/]+)(:([0-9]+))?(/([^?]*))? ]] || {
    echo 'DATABASE_URL cannot be read' >&2
    exit 1
  }
  DB_USER=${BASH_REMATCH[2]} DB_PASSWORD=${BASH_REMATCH[4]} DB_HOST=${BASH_REMATCH[5]}
  DB_PORT=${BASH_REMATCH[7]} DB_NAME=${BASH_REMATCH[9]}
fi

if [ -n "${DB_USER-}" ] && [ -n "${DB_PASSWORD-}" ] && [ ! -e "$users" ]; then
  case ${AUTH_TYPE:-md5} in
    plain | scram-sha-256) secret=$DB_PASSWORD ;;
    *) secret=md5$(printf '%s' "$DB_PASSWORD$DB_USER" | md5sum | cut -d ' ' -f 1) ;;
  esac
  printf '"%s" "%s"\n' "$DB_USER" "$secret" > "$users"
fi

if [ ! -e "$settings" ]; then
  : "${DB_HOST:?"Setup pgbouncer config error! You must set DB_HOST env"}"
  {
    echo '[databases]'
    echo "${DB_NAME:-*} = host=$DB_HOST port=${DB_PORT:-5432} ${DB_NAME:+dbname=$DB_NAME} auth_user=${DB_USER:-postgres}"
    echo '[pgbouncer]'
    echo "listen_addr = ${LISTEN_ADDR:-0.0.0.0}"
    echo "listen_port = ${LISTEN_PORT:-5432}"
    echo 'unix_socket_dir ='
    echo "auth_file = $users"
    echo "auth_type = ${AUTH_TYPE:-md5}"
    echo "ignore_startup_parameters = ${IGNORE_STARTUP_PARAMETERS:-extra_float_digits}"
    for name in POOL_MODE MAX_CLIENT_CONN DEFAULT_POOL_SIZE MIN_POOL_SIZE RESERVE_POOL_SIZE MAX_DB_CONNECTIONS \
      SERVER_RESET_QUERY SERVER_IDLE_TIMEOUT SERVER_LIFETIME QUERY_WAIT_TIMEOUT QUERY_TIMEOUT CLIENT_IDLE_TIMEOUT \
      ADMIN_USERS STATS_USERS AUTH_QUERY SERVER_TLS_SSLMODE MAX_PREPARED_STATEMENTS LOG_CONNECTIONS LOG_DISCONNECTIONS; do
      [ -z "${!name-}" ] || echo "${name,,} = ${!name}"
    done
  } > "$settings"
fi

exec "$@"
