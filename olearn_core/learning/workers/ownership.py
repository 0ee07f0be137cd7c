"""The shards a worker owns: claimed and loaded, saved, parked, let go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import LearningSettings
from olearn_core.errors import OlearnError
from olearn_core.learning.shards.loading import ShardLoader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.learning.workers.assignments import Assignments
from olearn_core.learning.workers.breaker import Breaker
from olearn_core.learning.workers.checkpoint import Checkpointer
from olearn_core.learning.workers.problems import Problems
from olearn_core.sources.source import Partition, Source
from olearn_core.storage.database import brief
from olearn_core.storage.shards import ShardHeader
from olearn_core.times import loop_seconds

logger = logging.getLogger(__name__)

RETRIES_PARKED = 10  # retry intervals until a parked partition is looked at again

MakeShard = Callable[[ShardState], Shard]


class Ownership:
    """
    Every partition the source gives us, from its assignment until it goes away.

    :ivar shards: those that are loaded
    :ivar breakers: one for each of them
    """

    def __init__(
        self,
        source: Source,
        loader: ShardLoader,
        checkpointer: Checkpointer,
        make_shard: MakeShard,
        settings: LearningSettings,
        problems: Problems,
    ) -> None:
        self._source = source
        self._loader = loader
        self._checkpointer = checkpointer
        self._make_shard = make_shard
        self._settings = settings
        self._problems = problems
        self.assignments = Assignments(loop_seconds)
        self.shards: dict[Partition, Shard] = {}
        self.breakers: dict[Partition, Breaker] = {}

    def learns(self, partition: Partition) -> bool:
        """Tell whether records of a partition are wanted now."""
        return partition in self.shards and not self.breakers[partition].is_open

    async def load_due(self) -> None:
        """Load what was assigned; what cannot be loaded is tried again."""
        for partition in self.assignments.due():
            try:
                await self._load(partition)
            except (OlearnError, SQLAlchemyError, OSError) as error:
                self._problems.note(str(partition), f"cannot be loaded: {brief(error)}")
                self.assignments.postpone(partition, self._settings.retry_seconds)

    async def _load(self, partition: Partition) -> None:
        state = await self._loader.load(partition, self.assignments.released(partition))
        if not self.assignments.is_due(partition):
            return  # revoked meanwhile
        if state.fingerprint is None or not self.assignments.is_parked(partition):
            self._problems.clear_of(str(partition))
        self.shards[partition] = shard = self._make_shard(state)
        self.breakers[partition] = Breaker(self._settings, loop_seconds)
        self._share_windows()
        self.resume(shard)
        self.assignments.note_loaded(partition)

    def _share_windows(self) -> None:
        """Divide what the worker may remember among its shards."""
        learning = [shard for shard in self.shards.values() if not shard.counts_decisions]
        share = len(learning)
        for shard in learning:
            shard.state.executions.resize(self._settings.dedup_ids // share)
            shard.state.ratings.resize(self._settings.dedup_ratings // share)

    def resume(self, shard: Shard) -> None:
        """Read on where the shard stands, with the record before, to see that it is still there."""
        shard.is_verified = shard.fingerprint is None
        self._source.resume(shard.partition, shard.resume_offset)

    def resume_all(self, but: Collection[Partition] = ()) -> None:
        """Ask again for what may have been drained and lost."""
        for partition, shard in self.shards.items():
            if partition not in but and self.learns(partition):
                self.resume(shard)

    async def save(self, shards: Sequence[Shard]) -> None:
        """
        Save what was learned; let go of what is not ours, park what the database does not take.

        :raises SQLAlchemyError: where the database is away; nothing was saved then
        """
        saved = await self._checkpointer.save(shards)
        for shard in saved.fenced:
            self._let_go_fenced(shard)
        for partition, why in saved.refused.items():
            self.park(partition, f"the database does not take what was learned: {why}")

    async def skip(self, shard: Shard, offset: int) -> None:
        """
        Go on at a later offset: the log has lost what lies before it.

        :raises SQLAlchemyError: where the database is away; nothing has changed then
        """
        await self.save([shard])
        if self.shards.get(shard.partition) is not shard:
            return  # fenced
        lost = (shard.next_offset, offset)
        if await self._checkpointer.skip(shard, offset):
            logger.error("%s: the log has lost %d…%d, never learned", shard.partition, *lost)
        else:
            self._let_go_fenced(shard)

    def notice(self, headers: Iterable[ShardHeader]) -> None:
        """
        Claim anew what an operator has moved.

        What another worker has claimed is its own business: that we find out when saving.
        """
        by_id = {shard.state.id: shard for shard in self.shards.values()}
        for header in headers:
            shard = by_id.get(header.id)
            moved = shard is not None and header.epoch > shard.state.epoch
            if shard is not None and moved and header.owner == self._loader.owner:
                logger.warning("%s was moved by an operator", shard.partition)
                self._claim_again(shard)

    def _let_go_fenced(self, shard: Shard) -> None:
        logger.warning("fenced: another worker owns %s now", shard.partition)
        self._claim_again(shard)

    def _claim_again(self, shard: Shard) -> None:
        """Let go of what we hold; where the source still gives us the partition, load it anew."""
        self._source.pause(shard.partition)
        self._drop(shard.partition)
        self.assignments.postpone(shard.partition, self._settings.retry_seconds)

    def park(self, partition: Partition, problem: str) -> None:
        """Learn nothing more of a partition until somebody has mended it."""
        self._problems.note(str(partition), f"stopped: {problem}")
        self._source.pause(partition)
        self._drop(partition)
        self.assignments.park(partition, RETRIES_PARKED * self._settings.retry_seconds)

    def release(self, partition: Partition) -> None:
        """Let go of a partition; what is saved of it is kept, for it may come back at once."""
        shard = self.shards.get(partition)
        if shard is not None and shard.tick is None and not shard.reset:
            self.assignments.release(shard.state)
        self._drop(partition)

    def _drop(self, partition: Partition) -> None:
        self.shards.pop(partition, None)
        self.breakers.pop(partition, None)
