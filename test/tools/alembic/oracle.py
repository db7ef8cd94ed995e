"""Loads version directories with Alembic itself. One directory a line on stdin, one JSON answer a line on stdout."""

import json
import logging
import os
import signal
import sys
import warnings
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import CycleDetected, RevisionError
from alembic.util import CommandError


class Hangs(Exception):
    pass


def interrupt(_signal, _frame):
    raise Hangs()


def cause_of(error):
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def load(directory):
    config = Config()
    config.set_main_option("script_location", directory.replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    revisions = script.revision_map
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        heads = sorted(revisions.heads)
    if any("present more than once" in str(warning.message) for warning in caught):
        return {"fault": "duplicate-id"}
    names = [name for name, revision in revisions._revision_map.items() if revision is not None and name == revision.revision]
    below = {}
    for name in names:
        nodes = revisions._get_ancestor_nodes([revisions._revision_map[name]], include_dependencies=True)
        below[name] = sorted({node.revision for node in nodes})
    return {"heads": heads, "bases": sorted(revisions.bases), "ancestors": below}


def kind_of(error):
    text = str(error)
    if isinstance(error, Hangs):
        return "hangs"
    if isinstance(error, CycleDetected):
        return "cycle"
    if isinstance(error, (SyntaxError, UnicodeDecodeError, CommandError, AttributeError, TypeError, ValueError, NameError)):
        return "unreadable"
    if isinstance(error, KeyError):
        return "missing"
    if isinstance(error, RevisionError) and "already used by" in text:
        return "duplicate-label"
    if isinstance(error, RevisionError) and "not allowed in revision identifier" in text:
        return "illegal-id"
    return "%s: %s" % (type(error).__name__, text)


def answer(directory):
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        return load(directory)
    except (Exception, RecursionError) as error:
        return {"fault": kind_of(cause_of(error)), "message": str(error)[:300]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


logging.disable(logging.CRITICAL)
sys.dont_write_bytecode = True
# What a revision file prints must not be taken for an answer.
channel, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
signal.signal(signal.SIGALRM, interrupt)
for line in sys.stdin:
    channel.write(json.dumps(answer(line.rstrip("\n"))) + "\n")
    channel.flush()
