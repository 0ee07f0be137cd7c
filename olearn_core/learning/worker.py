"""The worker: consumes its partitions, learns, checkpoints."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import LearningSettings
from olearn_core.errors import OlearnError, SourceError, SumOverflowError
from olearn_core.learning.batcher import MicroBatcher
from olearn_core.learning.checkpoint import Checkpointer
from olearn_core.learning.loading import ShardLoader
from olearn_core.learning.shard import Shard, ShardState
from olearn_core.sources.source import OutOfRangeError, Partition, Record, Source
from olearn_core.storage.database import brief
from olearn_core.times import came

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
DATABASE = "database"
SOURCE = "source"

MakeShard = Callable[[ShardState], Shard]


class Worker:
    """
    Owns shards for as long as it owns their partitions.

    :param clock: Unix seconds, the receive time of batches
    :ivar shards: those it owns; there may be none where workers outnumber partitions
    :ivar loaded: set while all partitions it was given are loaded
    :ivar problems: what keeps it from learning now, by subject; empty where all is well
    """

    def __init__(
        self,
        source: Source,
        loader: ShardLoader,
        checkpointer: Checkpointer,
        make_shard: MakeShard,
        settings: LearningSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._loader = loader
        self._checkpointer = checkpointer
        self._make_shard = make_shard
        self._settings = settings
        self._clock = clock
        self._batcher = MicroBatcher(
            settings.batch_size, settings.batch_timeout_seconds, time.monotonic
        )
        self._assigned: set[Partition] = set()
        self._waiting: set[Partition] = set()
        self.loaded = asyncio.Event()
        self._lock = asyncio.Lock()
        self._checkpoint_at = time.monotonic() + settings.checkpoint_interval_seconds
        self._retry_at = 0.0
        self._unsaved = False
        self.shards: dict[Partition, Shard] = {}
        self.failed_updates = 0
        self.problems: dict[str, str] = {}

    def lag(self) -> int:
        """Return how many records of its partitions are not learned yet, as far as known."""
        ends = ((s, self._source.end_offset(s.partition)) for s in self.shards.values())
        return sum(max(0, end - s.next_offset) for s, end in ends if end is not None)

    async def mirror(self) -> None:
        """Show the log's own tools which offsets are in the database."""
        offsets = {p: shard.state.next_offset for p, shard in self.shards.items()}
        if offsets:
            await self._source.mirror(offsets)

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Remember to load new partitions before their first record is asked for."""
        self._assigned.update(partitions)
        self._waiting.update(partitions)
        self._note_loaded()

    def _note_loaded(self) -> None:
        if self._waiting:
            self.loaded.clear()
        else:
            self.loaded.set()

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Save what was learned of partitions, then let go of them."""
        self._assigned.difference_update(partitions)
        self._waiting.difference_update(partitions)
        self._note_loaded()
        for partition in partitions:
            self._batcher.drop(partition)
        async with self._lock:
            try:
                await self._save([self.shards[p] for p in partitions if p in self.shards])
            except SQLAlchemyError as error:
                logger.warning("not saved before losing partitions", extra={"error": brief(error)})
            for partition in partitions:
                self._drop(partition)

    async def run(self, stop: asyncio.Event) -> None:
        """Learn until told to stop; the last batch is learned and saved."""
        while not stop.is_set():
            if self._unsaved:
                await self._wait_for_database(stop)
                continue
            await self._load_waiting()
            await self._fetch()
            if self._batcher.is_due:
                await self._learn(self._batcher.take())
            if time.monotonic() >= self._checkpoint_at:
                await self.checkpoint()
        await self._learn(self._batcher.take())
        await self.checkpoint()

    async def checkpoint(self) -> None:
        """Save all shards; keep everything for the next time where the database is away."""
        async with self._lock:
            try:
                await self._save(list(self.shards.values()))
                self._unsaved = False
                self.problems.pop(DATABASE, None)
            except (SQLAlchemyError, OSError) as error:
                self._unsaved = True
                self.failed_updates += 1
                self._note(DATABASE, f"the database does not take checkpoints: {brief(error)}")
        self._checkpoint_at = time.monotonic() + self._settings.checkpoint_interval_seconds

    async def _wait_for_database(self, stop: asyncio.Event) -> None:
        """Learn no more than can be held until the database takes it."""
        await came(stop, RETRY_SECONDS)
        await self.checkpoint()

    async def _save(self, shards: Sequence[Shard]) -> None:
        fenced = await self._checkpointer.save(shards)
        for shard in fenced:
            logger.warning("fenced: another worker owns %s/%s now", *shard.partition)
            self._drop(shard.partition)
            self._reload(shard.partition)

    def _reload(self, partition: Partition) -> None:
        """A fenced partition that the source still gives us is claimed anew."""
        if partition in self._assigned:
            self._source.pause(partition)
            self._batcher.drop(partition)
            self._waiting.add(partition)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._note_loaded()

    async def _load_waiting(self) -> None:
        if not self._waiting or time.monotonic() < self._retry_at:
            return
        for partition in sorted(self._waiting):
            try:
                await self._load(partition)
            except (OlearnError, SQLAlchemyError, OSError) as error:
                self._note(_name(partition), f"cannot be loaded: {brief(error)}")
                self._retry_at = time.monotonic() + RETRY_SECONDS

    async def _load(self, partition: Partition) -> None:
        state = await self._loader.load(partition)
        if partition not in self._waiting:
            return  # revoked meanwhile
        self._waiting.discard(partition)
        self._note_loaded()
        self._batcher.drop(partition)
        self.shards[partition] = self._make_shard(state)
        self._source.resume(partition, state.next_offset)
        self.problems.pop(_name(partition), None)

    async def _fetch(self) -> None:
        timeout = min(
            self._batcher.wait_seconds,
            max(0.0, self._checkpoint_at - time.monotonic()),
            self._settings.batch_timeout_seconds,
        )
        try:
            records = await self._source.fetch(self._settings.largest_batch, timeout)
        except OutOfRangeError as error:
            self._stop_shards(error)
        except SourceError as error:
            self._note(SOURCE, str(error))
            self._resume_all()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            self.problems.pop(SOURCE, None)
            self._batcher.add({p: batch for p, batch in records.items() if p in self.shards})
            if beyond := self._beyond_the_end():
                self._stop_shards(OutOfRangeError(beyond))

    def _beyond_the_end(self) -> dict[Partition, int]:
        """Return shards that stand where the log has never been: it was made anew."""
        ends = ((s, self._source.end_offset(s.partition)) for s in self.shards.values())
        return {
            s.partition: s.next_offset for s, end in ends if end is not None and end < s.next_offset
        }

    def _stop_shards(self, error: OutOfRangeError) -> None:
        """The log is not the one whose offsets are stored: learning on would be a guess."""
        for partition, offset in error.partitions.items():
            self._note(_name(partition), f"stopped: the log has no offset {offset} (any more)")
            self._source.pause(partition)
            self._drop(partition)
        self._resume_all()

    def _resume_all(self) -> None:
        """Ask again for what may have been drained and lost."""
        for partition, shard in self.shards.items():
            self._batcher.drop(partition)
            self._source.resume(partition, shard.next_offset)

    async def _learn(self, batch: Mapping[Partition, Sequence[Record]]) -> None:
        async with self._lock:
            for partition, records in batch.items():
                for piece in _pieces(records, self._settings.slice_size):
                    shard = self.shards.get(partition)
                    if shard is None:
                        break
                    if not _continues(shard, piece):
                        self._ask_again(shard, records)
                        break
                    self._learn_slice(shard, piece)
                    await asyncio.sleep(0)  # let requests and heartbeats in

    def _learn_slice(self, shard: Shard, records: Sequence[Record]) -> None:
        partition = shard.partition
        ours = records
        if records[0].offset < shard.next_offset:
            ours = [record for record in records if record.offset >= shard.next_offset]
            if not ours:
                return
        try:
            shard.learn(ours, self._clock())
        except SumOverflowError as error:
            self.failed_updates += 1
            self._note(_name(partition), f"stopped: {error}")
            self._source.pause(partition)
            self._drop(partition)

    def _ask_again(self, shard: Shard, records: Sequence[Record]) -> None:
        """
        Read once more what has gaps.

        Logs have legal gaps (compaction, aborted transactions): a gap is real
        where it is there again.
        """
        new = [record for record in records if record.offset >= shard.next_offset]
        before = [shard.next_offset, *(record.offset + 1 for record in new)]
        gaps = ((start, record.offset) for start, record in zip(before, new, strict=False))
        shard.gaps = frozenset(gap for gap in gaps if gap[0] < gap[1])
        self._batcher.drop(shard.partition)
        self._source.resume(shard.partition, shard.next_offset)

    def _drop(self, partition: Partition) -> None:
        self.shards.pop(partition, None)

    def _note(self, subject: str, problem: str) -> None:
        if self.problems.get(subject) != problem:
            logger.error("%s: %s", subject, problem)
        self.problems[subject] = problem


def _name(partition: Partition) -> str:
    return f"{partition.topic}/{partition.number}"


def _continues(shard: Shard, records: Sequence[Record]) -> bool:
    """Tell whether nothing was left out before these records, or is missing for good."""
    gap = (shard.next_offset, records[0].offset)
    return gap[1] <= gap[0] or gap in shard.gaps


def _pieces(records: Sequence[Record], size: int) -> Iterable[Sequence[Record]]:
    """Yield stretches of records without a gap in their offsets, none longer than `size`."""
    for start in range(0, len(records), size):
        piece = records[start : start + size]
        if piece[-1].offset - piece[0].offset == len(piece) - 1:
            yield piece
        else:
            yield from _unbroken(piece)


def _unbroken(records: Sequence[Record]) -> Iterable[Sequence[Record]]:
    start = 0
    for at in range(1, len(records) + 1):
        if at == len(records) or records[at].offset != records[at - 1].offset + 1:
            yield records[start:at]
            start = at
