"""What libpq does with each connection string on stdin: one JSON array in, one out."""

import json
import sys

import psycopg
from psycopg import pq


def outcome(conninfo):
    pgconn = pq.PGconn.connect(conninfo.encode())
    try:
        if pgconn.status != pq.ConnStatus.OK:
            return "refused", pgconn.get_error_message().strip()
        return ("tls" if pgconn.ssl_in_use else "plain"), ""
    finally:
        pgconn.finish()


assert psycopg.pq.version() >= 160000, psycopg.pq.version()
json.dump([outcome(conninfo) for conninfo in json.load(sys.stdin)], sys.stdout)
