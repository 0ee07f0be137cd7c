"""The places that a worker passes while it loads, learns and saves, and failing at one of them."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from olearn_core.storage.database import Database

Fail = Callable[[Any], None]

LOST = ConnectionResetError("the connection is gone")
EXIT_CODE = 9


class Failpoints:
    """
    Notes every place that is passed, and fails at one of them.

    Nobody lists the places: they are the statements that the code sends, each
    with what comes before and after it, so that a new one is found by itself.

    :param name: where to fail; nowhere where it is empty
    :param nth: at which passing of it, from 1
    :param fail: what happens there, to a connection where one waits for an answer
    :ivar passed: how often each place was passed
    :ivar fired: whether it has failed
    """

    def __init__(self, name: str = "", nth: int = 1, fail: Fail = lambda _: None) -> None:
        self._name = name
        self._nth = nth
        self._fail = fail
        self.passed: Counter[str] = Counter()
        self.fired = False

    def hit(self, name: str, waiting: Any = None) -> None:
        """Pass a place; `waiting` is the connection that waits there for an answer."""
        self.passed[name] += 1
        if name == self._name and self.passed[name] == self._nth:
            self.fired = True
            self._fail(waiting)

    def watch(self, database: Database) -> None:
        """Notice what a database is asked from now on."""
        for engine in {database._writers, database._readers}:
            event.listen(engine.sync_engine, "before_cursor_execute", self._before)
            event.listen(engine.sync_engine, "after_cursor_execute", self._after)
            self._watch_transactions(engine)

    def _before(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        place = label(statement)
        if place.startswith(("INSERT", "UPDATE", "DELETE")):
            connection.info.setdefault("first_write", place)
        self.hit(f"before {place}")

    def _after(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        self.hit(f"after {label(statement)}")

    def _watch_transactions(self, engine: AsyncEngine) -> None:
        dialect = engine.sync_engine.dialect
        begin, commit = dialect.do_begin, dialect.do_commit

        def watched_begin(connection: Any) -> None:
            connection.info.pop("first_write", None)
            begin(connection)

        def watched_commit(connection: Any) -> None:
            place = f"COMMIT of {connection.info.pop('first_write', 'reading')}"
            self.hit(f"before {place}")
            # The loop's next turn comes when the COMMIT has been sent and is not answered.
            asyncio.get_running_loop().call_soon(self.hit, f"during {place}", connection)
            commit(connection)
            self.hit(f"after {place}")

        dialect.do_begin, dialect.do_commit = watched_begin, watched_commit


def label(statement: str) -> str:
    """Return what a statement does to which table, without its values."""
    words = statement.split()
    if words[0] in ("INSERT", "DELETE"):
        return f"{words[0]} {words[2]}"
    if words[0] == "UPDATE":
        changed = re.findall(r"(\w+)=", statement.partition("WHERE")[0])
        return f"UPDATE {words[1]}: {', '.join(changed)}"
    return " ".join(words[:2]).rstrip(",")


def leave(_: Any) -> None:
    """Be gone, as after kill -9."""
    os._exit(EXIT_CODE)


def freeze(_: Any) -> None:
    """Stand still until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fail(waiting: Any) -> None:
    """
    Raise what a driver that has lost its server raises, or what SQLAlchemy makes of it.

    Where somebody waits for an answer it is the connection that breaks.
    """
    if waiting is not None:
        waiting.driver_connection._transport.abort()
        return
    raise random.choice((LOST, OperationalError("any statement", {}, LOST)))
