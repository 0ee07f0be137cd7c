"""One worker in a process of its own, built as the service builds it, and watched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

from olearn_core.config import KafkaSettings, LearningSettings
from olearn_core.errors import SourceError
from olearn_core.learning.shards.loading import ShardLoader
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.learning.workers.checkpoint import Checkpointer
from olearn_core.learning.workers.worker import Worker
from olearn_core.plugins import Models, Plugins
from olearn_core.sources.kafka import KafkaSource
from olearn_core.sources.source import Listener, Partition, Record
from olearn_core.storage.shards import ShardStore
from olearn_core.times import loop_seconds
from tests.simulation.audit import Audit
from tests.simulation.database import SimulatedDatabase
from tests.simulation.loop import Process, SimulatedLoop, wall_seconds

TOPIC = "agent-outcomes"
KAFKA = KafkaSettings(bootstrap_servers="simulated", outcome_topic=TOPIC, session_timeout_ms=6_000)
LEARNING = LearningSettings(
    batch_size=10,
    batch_timeout_seconds=0.2,
    largest_batch=50,
    slice_size=20,
    checkpoint_interval_seconds=0.4,
    base_interval_seconds=4.0,
    breaker_records=40,
    breaker_pause_seconds=2.0,
    stall_seconds=20.0,
)
BESIDE_SECONDS = 1.0


class WatchedSource(KafkaSource):
    """Sees to the contract of a source."""

    def __init__(self, settings: KafkaSettings, audit: Audit) -> None:
        super().__init__(settings)
        self._audit = audit
        self._resumed: set[Partition] = set()

    async def start(self, stack: AsyncExitStack, listener: Listener) -> None:
        await super().start(stack, _Told(listener, self._resumed))

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        records = await super().fetch(most, timeout_seconds)
        if records:
            self._audit.fetched(records, self._resumed)
        return records

    def resume(self, partition: Partition, offset: int) -> None:
        super().resume(partition, offset)
        self._resumed.add(partition)

    def pause(self, partition: Partition) -> None:
        super().pause(partition)
        self._resumed.discard(partition)


class _Told:
    """A listener that forgets, with every assignment, what was resumed before it."""

    def __init__(self, listener: Listener, resumed: set[Partition]) -> None:
        self._listener = listener
        self._resumed = resumed

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self._resumed.difference_update(partitions)
        self._listener.assigned(partitions)

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        await self._listener.revoked(partitions)


class WatchedShard(Shard):
    """Sees to it that a shard learns what its log holds, and nothing else."""

    audit: Audit

    def learn(self, records: Sequence[Record], now_seconds: float) -> int:
        self.audit.learns(self.partition, self.next_offset, records)
        return super().learn(records, now_seconds)


class WatchedStore(ShardStore):
    """Counts what the database refuses."""

    audit: Audit

    async def save(self, saves: Any) -> Any:
        fenced = await super().save(saves)
        self.audit.counts["saves"] += 1
        self.audit.counts["refused saves"] += len(fenced)
        return fenced


class Node:
    """
    A process that learns until it is stopped, killed, or gives up.

    :ivar worker: None before it is up
    """

    def __init__(
        self, name: str, database: SimulatedDatabase, audit: Audit, loop: SimulatedLoop
    ) -> None:
        self.process = Process(name)
        self._database: Any = database
        self._audit = audit
        self._stop = asyncio.Event()
        self.worker: Worker | None = None
        self.task = loop.spawn(self.process, self._run())

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self.process.tasks

    def thaw(self) -> None:
        """Let it go on after it was frozen."""
        self.process.thaw(loop_seconds())

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        self._stop.set()

    async def _run(self) -> None:
        try:
            await self._learn()
        except SourceError:
            self._audit.counts["could not start"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._audit.fails("crash", f"{self.process} ended with {error!r}")

    async def _learn(self) -> None:
        source = WatchedSource(KAFKA, self._audit)
        store = WatchedStore(self._database)
        store.audit = self._audit
        names = _models().column_names
        self.worker = worker = Worker(
            source,
            ShardLoader(store, source, names, LEARNING, self.process.name),
            Checkpointer(store, source.name, LEARNING),
            self._shard,
            LEARNING,
            wall_seconds,
        )
        async with AsyncExitStack() as stack:
            await source.start(stack, worker)
            beside = [
                asyncio.create_task(_every(BESIDE_SECONDS, step))
                for step in (worker.mirror, worker.probe)
            ]
            await worker.run(self._stop)
            for task in beside:
                task.cancel()
            await source.stop()

    def _shard(self, state: ShardState) -> Shard:
        self._audit.loaded(state.partition, state.epoch, state.next_offset)
        reader = Reader(state.partition, dict, require_token=False)
        shard = WatchedShard(state, _models().columns, reader, LEARNING)
        shard.audit = self._audit
        return shard


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await step()


@cache
def _models() -> Models:
    return Plugins.found().models("agent_selection", {})
