"""A worker on a real database, fed from a log that the test writes by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from olearn_core.config import LearningSettings
from olearn_core.errors import SourceError
from olearn_core.learning.shards.loading import ShardLoader, apply
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.learning.workers.checkpoint import Checkpointer
from olearn_core.learning.workers.worker import Prepare, Worker
from olearn_core.plugins import Plugins
from olearn_core.sources.source import Listener, OutOfRangeError, Partition, Record, Source
from olearn_core.statistics import Column, Statistics
from olearn_core.storage.database import Database
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.tables import learning_events
from olearn_core.tokens import SigningKey
from tests.support.services import cancelled, eventually, unlocked

PARTITION = Partition("outcomes", 0)
NOW = 1_760_000_000.0


class WrittenLog(Source):
    """
    A log in memory; several workers may read it, each from its own instance.

    :ivar gone: offsets that the log does not have (compacted away)
    :ivar lost: offsets whose first delivery goes missing
    :ivar first: the oldest offset it still has
    :ivar cluster: what it says its cluster is
    :ivar silent: whether it does not answer
    """

    name = "written"

    def __init__(self, group: str = "olearn", timestamp: float = NOW) -> None:
        self.partitions: dict[Partition, list[bytes]] = {PARTITION: []}
        self.gone: set[int] = set()
        self.lost: set[int] = set()
        self.most = 1_000_000
        self.first = 0
        self.cluster: str | None = None
        self.silent = False
        self.restarts = 0
        self._group = group
        self._timestamp = timestamp
        self._positions: dict[Partition, int] = {}
        self.resumed: list[tuple[Partition, int]] = []

    @property
    def group(self) -> str:
        return self._group

    @property
    def cluster_id(self) -> str | None:
        return self.cluster

    async def stop(self) -> None:
        return

    async def restart(self) -> None:
        self.restarts += 1

    async def probe(self) -> None:
        if self.silent:
            raise SourceError("the log does not answer")

    def write(self, *records: bytes, partition: Partition = PARTITION) -> None:
        self.partitions.setdefault(partition, []).extend(records)

    async def start(self, stack: AsyncExitStack, listener: Listener) -> None:
        listener.assigned(list(self.partitions))

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        if gone := {p: at for p, at in self._positions.items() if not self._has(p, at)}:
            raise OutOfRangeError(gone)
        found = {p: self._read(p, min(most, self.most)) for p in self._positions}
        if not any(found.values()):
            await asyncio.sleep(min(timeout_seconds, 0.005))
        return {p: records for p, records in found.items() if records}

    def _has(self, partition: Partition, offset: int) -> bool:
        return self.first <= offset <= len(self.partitions[partition])

    def _read(self, partition: Partition, most: int) -> list[Record]:
        start = self._positions[partition]
        values = self.partitions[partition][start : start + most]
        numbered = [(start + i, value) for i, value in enumerate(values)]
        self._positions[partition] = start + len(values)
        lost = {offset for offset, _ in numbered} & self.lost
        self.lost -= lost
        missing = lost | self.gone
        at_ms = int(self._timestamp * 1_000)
        return [LoggedRecord(o, value, at_ms) for o, value in numbered if o not in missing]

    async def first_offset(self, partition: Partition) -> int:
        return self.first

    async def earliest_offset(self, partition: Partition) -> int:
        return self.first

    def resume(self, partition: Partition, offset: int) -> None:
        self.resumed.append((partition, offset))
        self._positions[partition] = offset

    def pause(self, partition: Partition) -> None:
        self._positions.pop(partition, None)

    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        return

    def end_offset(self, partition: Partition) -> int | None:
        return len(self.partitions[partition])


class Rig:
    """A worker with everything it stands on; crashes and saves when told."""

    def __init__(
        self,
        database: Database,
        source: Source,
        *,
        owner: str = "one",
        clock: Callable[[], float] = lambda: NOW,
        columns: Sequence[Column] | None = None,
        keys: Mapping[int, SigningKey] | None = None,
        require_token: bool = False,
        prepare: Prepare | None = None,
        **learning: Any,
    ) -> None:
        quick = {"batch_timeout_seconds": 0.005, "checkpoint_interval_seconds": 0.005}
        quick |= {"retry_seconds": 0.05}
        self.settings = LearningSettings(**quick | learning)
        self.columns = columns or bundled_columns()
        self.source = source
        self._database = database
        self.store = ShardStore(database)
        self._keys = keys or {}
        self._require_token = require_token
        names = [column.name for column in self.columns]
        self.loader = ShardLoader(self.store, source, names, self.settings, owner)
        self.checkpointer = Checkpointer(self.store, source.name, self.settings)
        given = {"prepare": prepare} if prepare else {}
        self.worker = Worker(
            source, self.loader, self.checkpointer, self._shard, self.settings, clock, **given
        )
        self._stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def _shard(self, state: ShardState) -> Shard:
        reader = Reader(state.partition, lambda: self._keys, require_token=self._require_token)
        return Shard(state, self.columns, reader, self.settings)

    async def start(self, stack: AsyncExitStack) -> None:
        await self.source.start(stack, self.worker)
        self.task = asyncio.create_task(self.worker.run(self._stop))

    @property
    def table(self) -> Statistics:
        total = Statistics([column.name for column in self.columns])
        for shard in self.worker.shards.values():
            total.merge(shard.table)
        return total

    @property
    def shard(self) -> Shard:
        return self.worker.shards[PARTITION]

    async def caught_up(self, *, saved: bool = True) -> None:
        """Wait until every record of the log is learned, and saved."""

        def done() -> bool:
            self._must_run()
            shards = self.worker.shards
            return self.worker.loaded.is_set() and all(
                p in shards
                and shards[p].next_offset >= (self.source.end_offset(p) or 0)
                and (not saved or shards[p].tick is None)
                for p in self.worker.partitions
            )

        await eventually(done, lambda: f"caught up, {self.worker.problems}")

    async def learned(self, offset: int) -> None:
        """Wait until the records below an offset are learned, saved or not."""

        def done() -> bool:
            self._must_run()
            return any(s.next_offset >= offset for s in self.worker.shards.values())

        await eventually(done, lambda: f"offset {offset}, {self.worker.problems}")

    def _must_run(self) -> None:
        assert self.task is not None
        if self.task.done():
            self.task.result()

    async def stop(self) -> None:
        self._stop.set()
        if self.task is not None:
            await self.task

    async def crash(self) -> None:
        """End at once: what is not saved is gone."""
        if self.task is not None:
            await cancelled(self.task)
            self.task = None
            await unlocked(self._database)


@asynccontextmanager
async def learning(database: Database, source: Source, **options: Any) -> AsyncIterator[Rig]:
    """A worker that learns; stopped at the end where the test has not ended it."""
    async with AsyncExitStack() as stack:
        rig = Rig(database, source, **options)
        await rig.start(stack)
        try:
            yield rig
        finally:
            if rig.task is not None and not rig.task.done():
                await rig.stop()


@cache
def bundled_columns() -> Sequence[Column]:
    return Plugins.found().models("agent_selection", {}).columns


def column_names() -> list[str]:
    return [column.name for column in bundled_columns()]


async def stored(database: Database) -> Statistics:
    """Return what the database holds, as a new owner would load it, without claiming it."""
    store = ShardStore(database)
    total = Statistics(column_names())
    for header in await store.headers():
        _, sums = await store.sums(header.id, -1)
        total.merge(apply(Statistics(column_names()), sums))
    return total


async def ledger_rows(database: Database, *kinds: str) -> list[Any]:
    """Return the ledger's rows of these kinds (batches) in the order of shards and offsets."""
    query = (
        select(learning_events)
        .where(learning_events.c.kind.in_(kinds or ("batch",)))
        .order_by(learning_events.c.shard_id, learning_events.c.from_offset)
    )
    async with database.read() as connection:
        return list((await connection.execute(query)).mappings())


async def assert_ledger_chains(database: Database) -> None:
    """Every offset of every shard was applied, or found lost, by exactly one committed update."""
    rows = await ledger_rows(database, "batch", "data_gap")
    headers = {header.id: header for header in await ShardStore(database).headers()}
    for shard_id, header in headers.items():
        ranges = [(r["from_offset"], r["to_offset"]) for r in rows if r["shard_id"] == shard_id]
        for (_, end), (start, _) in pairwise(ranges):
            assert end == start, f"shard {shard_id}: a gap or an overlap at {end}..{start}"
        if ranges:
            assert ranges[-1][1] == header.next_offset
        epochs = [r["epoch"] for r in rows if r["shard_id"] == shard_id]
        assert epochs == sorted(epochs)
