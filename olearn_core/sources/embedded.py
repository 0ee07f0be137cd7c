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
from olearn_core.storage.database import brief
from olearn_core.storage.decision_log import DecisionLog
from olearn_core.storage.leases import Leases
from olearn_core.storage.outcome_log import OutcomeLog
from olearn_core.times import came

logger = logging.getLogger(__name__)

PARTITION = Partition("outcomes", 0)
DECISIONS = Partition("decisions", 0)
LEASE = "embedded-log"
LEASE_SECONDS = 6.0
APPEND_MOST = 1_000


class EmbeddedLog(Source, Publisher):
    """
    A log of one partition, and one of decisions, owned by whichever process holds the lease.

    Publishers wait for each other's transaction, so that a crowd of them
    costs one commit.

    :param decisions: the log of decisions, None where nobody is to count them
    """

    name = "embedded"

    def __init__(
        self, log: OutcomeLog, leases: Leases, decisions: DecisionLog | None = None
    ) -> None:
        self._log = log
        self._logs: dict[Partition, OutcomeLog | DecisionLog] = {PARTITION: log}
        if decisions is not None:
            self._logs[DECISIONS] = decisions
            self.decisions_topic = DECISIONS.topic
        self._leases = leases
        self._listener: Listener | None = None
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._owned: bool | None = None
        self._appended = asyncio.Event()
        self._waiting: list[tuple[bytes, asyncio.Future[int]]] = []
        self._wanted = asyncio.Event()
        self._closing = asyncio.Event()
        self._leaving = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def group(self) -> str:
        """There is one group."""
        return "embedded"

    @property
    def cluster_id(self) -> str | None:
        """The log lies beside what was learned from it: they cannot part."""
        return None

    async def start(self, stack: AsyncExitStack, listener: Listener | None = None) -> None:
        """Compete for the lease, and write what is published."""
        self._listener = listener
        writer = asyncio.create_task(self._write(), name="embedded-log-writer")
        stack.push_async_callback(self._closed, writer)
        if listener is not None:
            stack.push_async_callback(self.stop)
            self._keeper = asyncio.create_task(self._keep_lease(), name="embedded-log-lease")

    async def _closed(self, writer: asyncio.Task[None]) -> None:
        """Let the writer end by itself: it may be in the middle of a transaction."""
        self._closing.set()
        self._wanted.set()
        await asyncio.gather(writer, return_exceptions=True)

    async def stop(self) -> None:
        """Give the lease back."""
        if self._keeper is None:
            return
        self._leaving.set()
        await asyncio.gather(self._keeper, return_exceptions=True)
        self._keeper = None
        try:
            await self._leases.release(LEASE)
        except SQLAlchemyError:
            logger.warning("the embedded log's lease runs out by itself", exc_info=True)

    async def restart(self) -> None:
        """There is nothing between us and the log that could be stuck."""

    async def probe(self) -> None:
        """Ask for the end of the log."""
        try:
            await self._log.bounds()
        except SQLAlchemyError as error:
            raise SourceError(f"the embedded log does not answer: {brief(error)}") from error

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Return new records, at once where there are some."""
        self._appended.clear()
        records = await self._read_all(most)
        if not records:
            await came(self._appended, timeout_seconds)
            records = await self._read_all(most)
        return records

    async def _read_all(self, most: int) -> Mapping[Partition, Sequence[Record]]:
        found = {partition: await self._read(partition, most) for partition in self._logs}
        return {partition: records for partition, records in found.items() if records}

    async def _read(self, partition: Partition, most: int) -> Sequence[Record]:
        position = self._positions.get(partition)
        if position is None:
            return []
        try:
            records = await self._logs[partition].read(position, most)
        except SQLAlchemyError as error:
            raise SourceError(f"reading the embedded log failed: {error}") from error
        if records and partition in self._positions:
            self._positions[partition] = records[-1].offset + 1
            self._move_end(partition, records[-1].offset + 1)
        return records

    def _move_end(self, partition: Partition, offset: int) -> None:
        self._ends[partition] = max(self._ends.get(partition, 0), offset)

    async def first_offset(self, partition: Partition) -> int:
        """Return the oldest offset."""
        return await self.earliest_offset(partition)

    async def earliest_offset(self, partition: Partition) -> int:
        """Return the oldest offset."""
        first, self._ends[partition] = await self._logs[partition].bounds()
        return first

    def resume(self, partition: Partition, offset: int) -> None:
        """Read on from here."""
        self._positions[partition] = offset
        if partition in self._ends:
            self._move_end(partition, offset)
        self._appended.set()

    def pause(self, partition: Partition) -> None:
        """Read no more."""
        self._positions.pop(partition, None)

    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        """Nobody else looks."""

    def end_offset(self, partition: Partition) -> int | None:
        """Return the offset after the newest record."""
        return self._ends.get(partition)

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
        self._move_end(PARTITION, offsets[-1] + 1)
        self._appended.set()

    async def _keep_lease(self) -> None:
        while not self._leaving.is_set():
            try:
                held = await self._leases.hold(LEASE, LEASE_SECONDS)
            except SQLAlchemyError:
                logger.warning("the embedded log's lease cannot be renewed", exc_info=True)
                held = False
            await self._tell(held)
            await came(self._leaving, LEASE_SECONDS / 4)

    async def _tell(self, held: bool) -> None:
        if self._listener is None or held == self._owned:
            return
        if held:
            self._listener.assigned(list(self._logs))
        elif self._owned:
            self._positions.clear()
            await self._listener.revoked(list(self._logs))
        else:
            self._listener.assigned([])
        self._owned = held
