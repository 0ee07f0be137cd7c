"""
A database that is far away, and breaks.

It executes the store's real statements on SQLite in memory, one transaction at a time;
around each of them a message travels, and may be lost.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Result, RootTransaction, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from olearn_core.storage.tables import metadata
from olearn_core.times import loop_seconds
from tests.simulation.loop import travel

TURN_SECONDS = 15.0


class CommitFault(StrEnum):
    """What happens to a COMMIT."""

    BEFORE = "before"
    AFTER = "after"


class SimulatedDatabase:
    """
    What the stores use of Database, for all workers.

    :param committed: looks at what was written, after each commit
    :ivar faults: what happens to the next commits, one after the other
    :ivar hangs: how long the next commits take, in seconds
    """

    is_sqlite = True
    url = "simulated"

    def __init__(self, seed: str, committed: Callable[[Connection], None]) -> None:
        self._random = random.Random(seed)
        self._committed = committed
        self._engine = _engine()
        self._engine.dispose()  # a new connection is a new database
        metadata.create_all(self._engine)
        self._turn = asyncio.Lock()
        self._away_until = 0.0
        self._outages = 0
        self.faults: list[CommitFault] = []
        self.hangs: list[float] = []
        self.lost_commits = 0

    def go_away(self, seconds: float) -> None:
        """Refuse everything for a while."""
        self._outages += not self._is_away
        self._away_until = max(self._away_until, loop_seconds() + seconds)

    def heal(self) -> None:
        """End all faults."""
        self._away_until = 0.0
        self.faults.clear()
        self.hangs.clear()

    def look(self, reader: Callable[[Connection], None]) -> None:
        """Show what is in it, at once."""
        with self._engine.connect() as connection:
            reader(connection)

    def outage(self) -> int | None:
        """Return the number of the outage that there is now, None for none."""
        return self._outages if self._is_away else None

    @property
    def _is_away(self) -> bool:
        return loop_seconds() < self._away_until

    @asynccontextmanager
    async def write(self) -> AsyncIterator[_Connection]:
        """Enter a transaction that is committed on leaving without an error."""
        async with self._its_turn() as connection:
            transaction = connection.begin()
            try:
                yield _Connection(connection, self)
                await self._commit(transaction, connection)
            finally:
                if transaction.is_active:
                    transaction.rollback()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[_Connection]:
        """Enter a transaction that reads one snapshot."""
        async with self._its_turn() as connection:
            yield _Connection(connection, self)

    @asynccontextmanager
    async def _its_turn(self) -> AsyncIterator[Connection]:
        await self.answer()
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise _error("database is locked") from None
        try:
            with self._engine.connect() as connection:
                yield connection
        finally:
            self._turn.release()

    async def answer(self) -> None:
        """
        Let a message travel.

        :raises OperationalError: where the database is away
        """
        await travel(self._random.uniform(0.000_1, 0.003))
        if self._is_away:
            raise _error("the connection is refused")

    async def _commit(self, transaction: RootTransaction, connection: Connection) -> None:
        fault = self.faults.pop(0) if self.faults else None
        hang = self.hangs.pop(0) if self.hangs else 0.0
        hangs_before = self._random.random() < 0.5
        try:
            await travel(hang if hangs_before else 0.0)
            await self.answer()
        except asyncio.CancelledError:
            if self._random.random() < 0.5:  # it died, but its COMMIT had left
                self._write_down(transaction, connection)
            raise
        if fault is CommitFault.BEFORE:
            raise _error("the connection is gone")
        self._write_down(transaction, connection)
        await travel(0.0 if hangs_before else hang)
        await self.answer()
        if fault is CommitFault.AFTER:
            self.lost_commits += 1
            raise _error("the connection is gone")

    def _write_down(self, transaction: RootTransaction, connection: Connection) -> None:
        transaction.commit()
        self._committed(connection)
        connection.rollback()


class _Connection:
    """Executes statements at once; what takes time is the way there and back."""

    def __init__(self, connection: Connection, database: SimulatedDatabase) -> None:
        self._connection = connection
        self._database = database
        self.dialect = connection.dialect

    async def execute(
        self, statement: Any, parameters: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> Result[Any]:
        await self._database.answer()
        result = self._connection.execute(statement, parameters)
        if result.returns_rows:  # all at once: an open cursor would stand in the way of COMMIT
            result = result.freeze()()
        await self._database.answer()
        return result


@cache
def _engine() -> Engine:
    """Return an engine that keeps its compiled statements from run to run."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    event.listen(engine, "connect", _constrained)
    return engine


def _constrained(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")


def _error(says: str) -> OperationalError:
    return OperationalError("simulated", {}, Exception(says))
