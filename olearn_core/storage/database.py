"""Connections to SQLite or PostgreSQL: one way to write, one to read."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import event, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from olearn_core.config import DatabaseSettings, masked_url
from olearn_core.errors import StorageError

BUSY_TIMEOUT_MS = 15_000
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 20  # a connection that was cut in silence answers never
IDLE_TRANSACTION_MS = 5_000  # who freezes inside a transaction keeps its heir out until then


class Database:
    """
    The service's database.

    SQLite has one writing connection, whose transactions begin IMMEDIATE (a
    deferred one that reads first cannot wait for its turn), and readers of
    their own. PostgreSQL has one pool for both.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.url = masked_url(settings.url)
        self.is_sqlite = settings.is_sqlite
        if self.is_sqlite:
            _make_private(settings.url)
            self._writers = _sqlite_engine(settings, begin="BEGIN IMMEDIATE", connections=1)
            self._readers = _sqlite_engine(settings, begin="BEGIN", connections=4)
        else:
            self._writers = self._readers = create_async_engine(
                settings.url,
                pool_size=settings.pool_size,
                pool_pre_ping=True,
                connect_args={
                    "timeout": CONNECT_SECONDS,
                    "command_timeout": STATEMENT_SECONDS,
                    "server_settings": {
                        "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_MS)
                    },
                },
            )

    @classmethod
    async def open(cls, settings: DatabaseSettings, stack: AsyncExitStack) -> Self:
        """
        Connect once, and close when the stack unwinds.

        :raises StorageError: where the database cannot be reached
        """
        try:
            database = cls(settings)
            stack.push_async_callback(database.close)
            async with database.read() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError, ImportError) as error:
            url = masked_url(settings.url)
            raise StorageError(f"cannot open the database {url}: {brief(error)}") from error
        return database

    async def close(self) -> None:
        """Close every connection."""
        await self._writers.dispose()
        await self._readers.dispose()

    def connections(self) -> Mapping[str, int]:
        """Return how many connections are in use, and how many idle."""
        pools = [engine.pool for engine in {self._writers, self._readers}]
        known = [pool for pool in pools if isinstance(pool, QueuePool)]
        return {
            "used": sum(pool.checkedout() for pool in known),
            "idle": sum(pool.checkedin() for pool in known),
        }

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Enter a transaction that is committed on leaving without an error."""
        with _network_errors_named():
            async with self._writers.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Enter a transaction that reads one snapshot."""
        with _network_errors_named():
            async with self._readers.connect() as connection:
                if not self.is_sqlite:
                    await connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                async with connection.begin():
                    yield connection


@contextmanager
def _network_errors_named() -> Iterator[None]:
    """Make of a refused or lost connection what callers expect: asyncpg lets OSErrors through."""
    try:
        yield
    except OSError as error:
        raise OperationalError("connect", {}, error) from error


def brief(error: Exception) -> str:
    """Return a database error's first line, without statement and parameters."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]


def _make_private(url: str) -> None:
    """Let only its owner read a database file: it holds signing keys."""
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        Path(path).chmod(0o600)


def _sqlite_engine(settings: DatabaseSettings, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(settings.url, pool_size=connections, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # The driver's own BEGIN would come late and deferred: ours is the only one.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={settings.sqlite_synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
