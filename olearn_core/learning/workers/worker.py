"""The worker: consumes its partitions, learns, checkpoints."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import LearningSettings
from olearn_core.errors import RecreatedLogError, SourceError, StalledError, SumOverflowError
from olearn_core.learning.shards.loading import ShardLoader
from olearn_core.learning.shards.shard import Shard
from olearn_core.learning.workers.batcher import MicroBatcher
from olearn_core.learning.workers.checkpoint import Checkpointer
from olearn_core.learning.workers.ownership import MakeShard, Ownership
from olearn_core.learning.workers.pieces import gaps_in, pieces
from olearn_core.learning.workers.problems import Problems
from olearn_core.learning.workers.stalls import Stalls
from olearn_core.sources.source import OutOfRangeError, Partition, Record, Source
from olearn_core.storage.database import brief
from olearn_core.storage.shards import ShardHeader
from olearn_core.times import came, give_way, loop_seconds

logger = logging.getLogger(__name__)

REVOKE_SECONDS = 10.0
SHORT_SLICE = 125  # about a millisecond
SHORT_FETCH = 2 * SHORT_SLICE
DATABASE = "database"
SOURCE = "source"
SILENCE = "log"


Prepare = Callable[[Sequence[Record]], Awaitable[None]]


async def _prepare_nothing(_: Sequence[Record]) -> None:
    return


def _never() -> bool:
    return False


class Worker:
    """
    Learns the partitions that the source gives it, for as long as they are its own.

    :param clock: Unix seconds, the receive time of batches
    :param prepare: called with records before they are learned, may ask the database
    :param gives_way: whether requests come meanwhile, so that slices should be short
    :ivar turns: grows with every turn of its loop
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
        prepare: Prepare = _prepare_nothing,
        gives_way: Callable[[], bool] = _never,
    ) -> None:
        self._source = source
        self._gives_way = gives_way
        self._prepare = prepare
        self._settings = settings
        self._clock = clock
        self.problems = Problems()
        self._owned = Ownership(source, loader, checkpointer, make_shard, settings, self.problems)
        self._batcher = MicroBatcher(
            settings.batch_size, settings.batch_timeout_seconds, loop_seconds
        )
        self._stalls = Stalls(settings.stall_seconds, loop_seconds)
        self._lock = asyncio.Lock()
        self._checkpoint_at = 0.0
        self._unsaved = False
        self._has_left = False
        self.turns = 0
        self.failed_updates = 0

    @property
    def shards(self) -> Mapping[Partition, Shard]:
        """The shards it owns; there may be none where workers outnumber partitions."""
        return self._owned.shards

    @property
    def partitions(self) -> Collection[Partition]:
        """The partitions it was given, loaded or not."""
        return self._owned.assignments.mine

    @property
    def loaded(self) -> asyncio.Event:
        """Set while all partitions it was given are loaded."""
        return self._owned.assignments.loaded

    def lag(self) -> int:
        """Return how many records of its partitions are not learned yet, as far as known."""
        return sum(max(0, end - shard.next_offset) for shard, end in self.ends())

    def ends(self) -> Sequence[tuple[Shard, int]]:
        """Return its shards with the ends of their partitions, as far as known."""
        ends = ((s, self._source.end_offset(s.partition)) for s in self.shards.values())
        return [(shard, end) for shard, end in ends if end is not None]

    async def mirror(self) -> None:
        """Show the log's own tools which offsets are in the database."""
        offsets = {p: shard.state.next_offset for p, shard in self.shards.items()}
        if offsets and SILENCE not in self.problems:
            await self._source.mirror(offsets)

    async def probe(self) -> None:
        """See whether the log answers: its client may just fall silent."""
        try:
            await self._source.probe()
        except SourceError as error:
            self.problems.note(SILENCE, str(error))
        else:
            self.problems.clear_of(SILENCE)

    def notice(self, headers: Iterable[ShardHeader]) -> None:
        """See from the shards' headers what an operator has moved."""
        self._owned.notice(headers)

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Remember to load new partitions before their first record is asked for."""
        self._owned.assignments.add(partitions)

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Save what was learned of partitions, within a time budget; then let go of them."""
        self._owned.assignments.remove(partitions)
        for partition in partitions:
            self._batcher.drop(partition)
        try:
            async with asyncio.timeout(REVOKE_SECONDS), self._lock:
                await self._owned.save([self.shards[p] for p in partitions if p in self.shards])
        except (SQLAlchemyError, TimeoutError) as error:
            logger.warning("not saved before losing partitions: %s", brief(error))
        for partition in partitions:
            self._owned.release(partition)
            self.problems.clear_of(str(partition))

    async def run(self, stop: asyncio.Event) -> None:
        """
        Learn until told to stop; the last batch is learned and saved.

        :raises StalledError: where a partition does not get on, not even after joining anew
        """
        while not stop.is_set():
            self.turns += 1
            if self._unsaved:
                await self._wait_for_database(stop)
                continue
            if self._has_left:
                await self._join_again()
                continue
            await self._owned.load_due()
            await self._fetch()
            if self._batcher.is_due:
                await self._learn(self._batcher.take())
            if loop_seconds() >= self._checkpoint_at:
                await self.checkpoint()
                await self._look_after()
        await self._learn(self._batcher.take())
        await self.checkpoint()

    async def checkpoint(self) -> None:
        """Save all shards; keep everything for the next time where the database is away."""
        async with self._lock:
            try:
                await self._owned.save(list(self.shards.values()))
                self._unsaved = False
                self.problems.clear_of(DATABASE)
            except (SQLAlchemyError, OSError) as error:
                self._unsaved = True
                self.failed_updates += 1
                self.problems.note(DATABASE, f"it does not take checkpoints: {brief(error)}")
        self._checkpoint_at = loop_seconds() + self._settings.checkpoint_interval_seconds

    async def _wait_for_database(self, stop: asyncio.Event) -> None:
        """Learn no more than can be held; go on asking the log, so that the group keeps us."""
        for partition in self.shards:
            self._source.pause(partition)
        try:
            await self._source.fetch(1, 0)
        except SourceError as error:
            self.problems.note(SOURCE, str(error))
        await came(stop, self._settings.retry_seconds)
        await self.checkpoint()
        if not self._unsaved:
            self._resume_all()

    async def _fetch(self) -> None:
        timeout = min(
            self._batcher.wait_seconds,
            max(0.0, self._checkpoint_at - loop_seconds()),
            self._settings.batch_timeout_seconds,
        )
        try:
            records = await self._source.fetch(self._fetch_size(), timeout)
        except OutOfRangeError as error:
            await self._find_offsets(error.partitions)
        except SourceError as error:
            self.problems.note(SOURCE, str(error))
            self._resume_all()
            await asyncio.sleep(self._settings.retry_seconds)
        else:
            self.problems.clear_of(SOURCE)
            self._batcher.add({p: batch for p, batch in records.items() if self._owned.learns(p)})
            await give_way()  # taking records apart is work as well

    def _resume_all(self, but: Collection[Partition] = ()) -> None:
        """Ask again for what may have been drained and lost."""
        for partition in self.shards:
            self._batcher.drop(partition)
        self._owned.resume_all(but)

    async def _find_offsets(self, partitions: Collection[Partition]) -> None:
        """Find out why the log does not have our offsets; the other partitions go on."""
        self._resume_all(but=partitions)
        for shard in [self.shards[p] for p in partitions if p in self.shards]:
            try:
                await self._go_on_from(shard, await self._source.earliest_offset(shard.partition))
            except RecreatedLogError as error:
                self._owned.park(shard.partition, str(error))
            except (SourceError, SQLAlchemyError, OSError) as error:
                self.problems.note(SOURCE, brief(error))
                await asyncio.sleep(self._settings.retry_seconds)
                self._owned.resume(shard)

    async def _go_on_from(self, shard: Shard, first: int) -> None:
        """Skip what retention has deleted, and say so; refuse a log that is shorter than ours."""
        if first < shard.next_offset:
            found = f"the log ends before offset {shard.next_offset}, which was learned up to"
            raise RecreatedLogError(str(shard.partition), found)
        if first > shard.next_offset:
            async with self._lock:
                await self._owned.skip(shard, first)
        if self.shards.get(shard.partition) is shard:
            shard.is_verified = True
            self._source.resume(shard.partition, shard.next_offset)

    async def _learn(self, batch: Mapping[Partition, Sequence[Record]]) -> None:
        async with self._lock:
            for partition, records in batch.items():
                try:
                    await self._learn_records(partition, records)
                except (RecreatedLogError, SumOverflowError) as error:
                    self.failed_updates += 1
                    self._owned.park(partition, str(error))

    async def _learn_records(self, partition: Partition, records: Sequence[Record]) -> None:
        try:
            await self._prepare(records)
        except (SQLAlchemyError, OSError) as error:
            self.problems.note(DATABASE, brief(error))
            await asyncio.sleep(self._settings.retry_seconds)
            self._batcher.drop(partition)
            if partition in self.shards:
                self._owned.resume(self.shards[partition])
            return
        for piece in pieces(records, self._slice_size()):
            if not self._owned.learns(partition):
                return
            shard = self.shards[partition]
            shard.verify(piece)
            if not shard.continues(piece):
                self._ask_again(shard, records)
                return
            self._learn_piece(shard, piece)
            await give_way()

    def _slice_size(self) -> int:
        """Return how many records are learned at a time: a long slice keeps requests waiting."""
        longest = self._settings.slice_size
        return min(longest, SHORT_SLICE) if self._gives_way() else longest

    def _fetch_size(self) -> int:
        largest = self._settings.largest_batch
        return min(largest, SHORT_FETCH) if self._gives_way() else largest

    def _learn_piece(self, shard: Shard, records: Sequence[Record]) -> None:
        new = records
        if records[0].offset < shard.next_offset:
            new = [record for record in records if record.offset >= shard.next_offset]
        breaker = self._owned.breakers[shard.partition]
        if new:
            breaker.note(len(new), shard.learn(new, self._clock()))
        if breaker.is_open:
            self.problems.note(
                str(shard.partition),
                f"pauses for {breaker.pause_seconds:g} s: most of its records cannot be read,"
                " see `olearn dead-letters list`",
            )
            self._source.pause(shard.partition)
        elif not breaker.has_tripped:
            self.problems.clear_of(str(shard.partition))

    def _ask_again(self, shard: Shard, records: Sequence[Record]) -> None:
        """
        Read once more what has gaps.

        Logs have legal gaps (compaction, aborted transactions): a gap is real
        where it is there again.
        """
        shard.gaps = gaps_in(records, shard.next_offset)
        self._batcher.drop(shard.partition)
        self._owned.resume(shard)

    async def _look_after(self) -> None:
        """Let paused partitions try again, park those of another log, see that all get on."""
        for partition, breaker in self._owned.breakers.items():
            if breaker.is_over:
                breaker.close()
                self._owned.resume(self.shards[partition])
        for shard, end in self.ends():
            if end < shard.next_offset:
                found = f"the log ends at {end}, and was learned up to {shard.next_offset}"
                error = RecreatedLogError(str(shard.partition), found)
                self._owned.park(shard.partition, str(error))
        if SILENCE in self.problems or SOURCE in self.problems:
            self._stalls.forget()  # nothing can move
        elif (seconds := self._source.forming_seconds()) > self._settings.stall_seconds:
            logger.error("given no partitions for %.0f s, joining anew", seconds)
            await self._leave()
        elif stuck := self._stalls.observe(self._should_move()):
            await self._mend(stuck)

    def _should_move(self) -> Mapping[Partition, int]:
        """Return where partitions stand that have something to learn and nothing in the way."""
        return {
            shard.partition: shard.next_offset
            for shard, end in self.ends()
            if end > shard.next_offset and self._owned.learns(shard.partition)
        }

    async def _mend(self, stuck: Collection[Partition]) -> None:
        """
        Ask once more for what may have got lost; join the group anew where reading itself hangs.

        Where all was read and nothing came, twice, there are no records: a log may
        end with the markers of transactions.
        """
        is_new = self._stalls.note_remedy(stuck)
        unread = [partition for partition in stuck if not await self._is_read(partition)]
        names = ", ".join(map(str, unread))
        if is_new and unread:
            logger.error("%s: stuck for %.0f s, joining anew", names, self._settings.stall_seconds)
            await self._leave()
        elif is_new:
            for shard in [self.shards[p] for p in stuck if p in self.shards]:
                self._batcher.drop(shard.partition)
                self._owned.resume(shard)
        elif unread:
            raise StalledError(f"{names}: there are records, but learning does not get on")

    async def _is_read(self, partition: Partition) -> bool:
        position, end = await self._source.position(partition), self._source.end_offset(partition)
        return position is not None and end is not None and position >= end

    async def _leave(self) -> None:
        await self.revoked(list(self.shards))
        self._has_left = True

    async def _join_again(self) -> None:
        """Join until it works: without that, nobody would ever ask again."""
        try:
            await self._source.restart()
        except SourceError as error:
            self.problems.note(SOURCE, str(error))
            await asyncio.sleep(self._settings.retry_seconds)
        else:
            self._has_left = False
