"""Outcomes through the service's own database: no broker needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.errors import SourceError
from olearn_core.sources.publisher import Publisher
from olearn_core.sources.source import Listener, Partition, Record, Source
from olearn_core.storage.leases import Leases
from olearn_core.storage.outcome_log import OutcomeLog
from olearn_core.times import came

logger = logging.getLogger(__name__)

PARTITION = Partition("outcomes", 0)
LEASE = "embedded-log"
LEASE_SECONDS = 6.0
APPEND_MOST = 1_000


class EmbeddedLog(Source, Publisher):
    """
    A log of one partition, owned by whichever process holds its lease.

    Publishers wait for each other's transaction, so that a crowd of them
    costs one commit.
    """

    name = "embedded"

    def __init__(self, log: OutcomeLog, leases: Leases) -> None:
        self._log = log
        self._leases = leases
        self._listener: Listener | None = None
        self._position: int | None = None
        self._end: int | None = None
        self._owned: bool | None = None
        self._appended = asyncio.Event()
        self._waiting: list[tuple[bytes, asyncio.Future[int]]] = []
        self._wanted = asyncio.Event()
        self._closing = asyncio.Event()

    @property
    def group(self) -> str:
        """There is one group."""
        return "embedded"

    async def start(self, stack: AsyncExitStack, listener: Listener | None = None) -> None:
        """Compete for the lease, and write what is published."""
        self._listener = listener
        writer = asyncio.create_task(self._write(), name="embedded-log-writer")
        stack.push_async_callback(self._closed, writer)
        if listener is not None:
            stack.push_async_callback(self._leases.release, LEASE)
            keeper = asyncio.create_task(self._keep_lease(), name="embedded-log-lease")
            stack.push_async_callback(self._closed, keeper)

    async def _closed(self, task: asyncio.Task[None]) -> None:
        """Let a task end by itself: it may be in the middle of a transaction."""
        self._closing.set()
        self._wanted.set()
        await asyncio.gather(task, return_exceptions=True)

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Return new records, at once where there are some."""
        self._appended.clear()
        records = await self._read(most)
        if not records:
            await came(self._appended, timeout_seconds)
            records = await self._read(most)
        return {PARTITION: records} if records else {}

    async def _read(self, most: int) -> Sequence[Record]:
        if self._position is None:
            return []
        try:
            records = await self._log.read(self._position, most)
        except SQLAlchemyError as error:
            raise SourceError(f"reading the embedded log failed: {error}") from error
        if records and self._position is not None:
            self._position = records[-1].offset + 1
            self._end = max(self._end or 0, self._position)
        return records

    async def first_offset(self, partition: Partition) -> int:
        """Return the oldest offset."""
        return await self.earliest_offset(partition)

    async def earliest_offset(self, partition: Partition) -> int:
        """Return the oldest offset."""
        first, self._end = await self._log.bounds()
        return first

    def resume(self, partition: Partition, offset: int) -> None:
        """Read on from here."""
        self._position = offset
        self._end = None if self._end is None else max(self._end, offset)
        self._appended.set()

    def pause(self, partition: Partition) -> None:
        """Read no more."""
        self._position = None

    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        """Nobody else looks."""

    def end_offset(self, partition: Partition) -> int | None:
        """Return the offset after the newest record."""
        return self._end

    async def publish(self, key: str, value: bytes) -> int:
        """Append, together with all who are waiting."""
        if self._closing.is_set():
            raise SourceError("the embedded log is closed: the service is stopping")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((value, future))
        self._wanted.set()
        return await future

    async def _write(self) -> None:
        while self._waiting or not self._closing.is_set():
            await self._wanted.wait()
            batch, self._waiting = self._waiting[:APPEND_MOST], self._waiting[APPEND_MOST:]
            if not self._waiting:
                self._wanted.clear()
            if batch:
                await self._append(batch)

    async def _append(self, batch: list[tuple[bytes, asyncio.Future[int]]]) -> None:
        try:
            offsets = await self._log.append([value for value, _ in batch])
        except SQLAlchemyError as error:
            refused = SourceError(f"the embedded log did not take the outcome: {error}")
            for _, future in batch:
                if not future.cancelled():
                    future.set_exception(refused)
            return
        for (_, future), offset in zip(batch, offsets, strict=True):
            if not future.cancelled():
                future.set_result(offset)
        self._end = max(self._end or 0, offsets[-1] + 1)
        self._appended.set()

    async def _keep_lease(self) -> None:
        while not self._closing.is_set():
            try:
                held = await self._leases.hold(LEASE, LEASE_SECONDS)
            except SQLAlchemyError:
                logger.warning("the embedded log's lease cannot be renewed", exc_info=True)
                held = False
            await self._tell(held)
            await came(self._closing, LEASE_SECONDS / 4)

    async def _tell(self, held: bool) -> None:
        if self._listener is None or held == self._owned:
            return
        if held:
            self._listener.assigned([PARTITION])
        elif self._owned:
            self.pause(PARTITION)
            await self._listener.revoked([PARTITION])
        else:
            self._listener.assigned([])
        self._owned = held
