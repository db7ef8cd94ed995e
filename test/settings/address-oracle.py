"""Answers, one JSON document a line: how libpq and SQLAlchemy read an address, a file of passwords, the environment."""

import json
import os
import socket
import struct
import sys
import threading

import psycopg
from psycopg import pq
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql import psycopg as dialect


def by_libpq(url):
    try:
        options = pq.Conninfo.parse(url.encode())
    except Exception:
        return None
    return {o.keyword.decode(): o.val.decode("utf-8", "replace") for o in options if o.val}


def by_sqlalchemy(url):
    try:
        _, arguments = dialect.dialect().create_connect_args(make_url(url))
    except Exception:
        return None
    return {name: str(value) for name, value in arguments.items() if value not in ("", None)}


def defaults(environment):
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    os.environ.update(environment)
    options = pq.Conninfo.get_defaults()
    for name in environment:
        del os.environ[name]
    return {
        o.keyword.decode(): {
            "variable": o.envvar.decode() if o.envvar else None,
            "value": o.val.decode() if o.val else None,
        }
        for o in options
    }


class Server:
    """Asks whoever comes for a password in clear text, and refuses it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.password = None
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with client:
                self.read(client, struct.unpack("!I", self.read(client, 4))[0] - 4)
                client.sendall(b"R" + struct.pack("!II", 8, 3))
                if client.recv(1) == b"p":
                    size = struct.unpack("!I", self.read(client, 4))[0] - 4
                    self.password = self.read(client, size)[:-1].decode()
                    said = b"SFATAL\0C28P01\0Mno\0\0"
                    client.sendall(b"E" + struct.pack("!I", 4 + len(said)) + said)

    def read(self, client, size):
        data = b""
        while len(data) < size:
            data += client.recv(size - len(data))
        return data


server = Server()


def sent_password(parameters):
    server.password = None
    try:
        psycopg.connect(
            hostaddr="127.0.0.1",
            port=server.port,
            sslmode="disable",
            gssencmode="disable",
            connect_timeout=10,
            **parameters,
        )
    except psycopg.OperationalError:
        pass
    return server.password


def answer(question):
    match question["kind"]:
        case "url":
            return {
                "libpq": by_libpq(question["libpq"]),
                "sqlalchemy": by_sqlalchemy(question["sqlalchemy"]),
            }
        case "defaults":
            return defaults(question["environment"])
        case "port":
            return server.port
        case "password":
            return sent_password(question["parameters"])


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
