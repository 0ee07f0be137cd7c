"""One database after the other filled by workers that fail, and by an heir that must mend it."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import NamedTuple

from sqlalchemy import delete, make_url, text

from olearn_core.storage.database import Database
from olearn_core.storage.tables import metadata
from tests.failpoints.failpoints import EXIT_CODE, Failpoints
from tests.failpoints.processes import Ended, Tellers, tellers
from tests.failpoints.story import COLUMNS, LATER, Story, assert_exact, empty_log, write
from tests.failpoints.teller import DONE, REFUSED
from tests.support.services import eventually, open_database
from tests.support.workers import Rig

ENDS = {"exit": EXIT_CODE, "exception": DONE, "hang": None}
KNOCKS = ("before BEGIN IMMEDIATE", "before INSERT shards", "before UPDATE shards")


class Plan(NamedTuple):
    """
    One failure in one story.

    :param name: the place
    :param nth: at which passing of it
    :param mode: what happens there
    """

    seed: int
    name: str
    nth: int
    mode: str


class Lane:
    """A database, a process that forks those who fail in it, and who comes after them."""

    def __init__(self, url: str, database: Database, processes: Tellers) -> None:
        self.database = database
        self._url = url
        self._tellers = processes
        self._seen = Failpoints()
        self._seen.watch(database)

    async def lived_through(self, plan: Plan, *, patiently: bool = False) -> bool:
        """
        Let a worker fail, an heir go on, and compare; return whether a late one was refused.

        :param patiently: whether the heir has to get on while somebody stands still in a
            transaction; else it is enough that it tries to
        :raises AssertionError: where anything was lost or counted twice
        """
        await self._emptied()
        story = Story(plan.seed)
        ended = await self._tellers.tell(url=self._url, **plan._asdict())
        log = empty_log()
        write(log, story.records)
        refused = False
        async with AsyncExitStack() as stack:
            heir = Rig(self.database, log, owner="heir", clock=lambda: LATER, columns=COLUMNS)
            stack.push_async_callback(heir.stop)
            if ended.code is None:
                refused = await self._outlived(ended, heir, patiently)
            else:
                await heir.start(stack)
            assert ended.code == ENDS[plan.mode], f"it ended with {ended.code}"
            write(log, story.epilogue)
            await heir.caught_up()
        await assert_exact(self.database, story.all_records)
        return refused

    async def _outlived(self, frozen: Ended, heir: Rig, patiently: bool) -> bool:
        """Take over from one that stands still, then let it go on where it was."""
        try:
            keeps_others_out = not patiently and await self._is_locked()
            before = self._knocks()
            await heir.start(None)
            if keeps_others_out:
                await eventually(lambda: self._knocks() > before, "the heir is at the door")
            else:
                await heir.caught_up()
        except BaseException:
            os.kill(frozen.pid, signal.SIGKILL)
            await self._tellers.wake(frozen.pid)
            raise
        woken = await self._tellers.wake(frozen.pid)
        assert woken.code in (DONE, REFUSED), f"after waking it ended with {woken.code}"
        return woken.code == REFUSED

    def _knocks(self) -> int:
        passed = self._seen.passed.items()
        return sum(count for place, count in passed if place.startswith(KNOCKS))

    async def _is_locked(self) -> bool:
        """Tell whether somebody is in a transaction that has written."""
        if self.database.is_sqlite:
            return self._sqlite_is_locked()
        others = text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
            " WHERE mode = 'RowExclusiveLock' AND datname = current_database()"
        )
        async with self.database.read() as connection:
            return bool((await connection.execute(others)).scalar_one())

    def _sqlite_is_locked(self) -> bool:
        path = make_url(self._url).database
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False

    async def _emptied(self) -> None:
        async with self.database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(delete(table))


@asynccontextmanager
async def lane(url: str) -> AsyncIterator[Lane]:
    """Open a lane."""
    async with AsyncExitStack() as stack:
        database = await open_database(url, stack)
        yield Lane(url, database, await stack.enter_async_context(tellers()))
