"""Partitions that are ours by the source's word, and which of them are still to be loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from olearn_core.learning.shards.shard import ShardState
from olearn_core.sources.source import Partition


class Assignments:
    """
    A partition's way: assigned, due for loading, loaded; parked where it cannot be learned.

    :param clock: seconds that never jump
    :ivar mine: all of them
    :ivar loaded: set while nothing but parked partitions waits for being loaded, from the
        first time on that the source has given us any, or said that there are none for us
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.mine: set[Partition] = set()
        self._due_at: dict[Partition, float] = {}
        self._parked: set[Partition] = set()
        self._released: dict[Partition, ShardState] = {}
        self._was_told = False
        self.loaded = asyncio.Event()

    def add(self, partitions: Iterable[Partition]) -> None:
        """Take note of partitions that are ours from now on, and that nobody has loaded."""
        self._was_told = True
        new = set(partitions)
        self.mine |= new
        self._due_at |= dict.fromkeys(new, 0.0)
        self._released = {p: state for p, state in self._released.items() if p in new}
        self._note_loaded()

    def remove(self, partitions: Iterable[Partition]) -> None:
        """Take note of partitions that are not ours any more."""
        for partition in partitions:
            self.mine.discard(partition)
            self._settled(partition)
        self._note_loaded()

    def due(self) -> Sequence[Partition]:
        """Return the partitions that should be loaded now."""
        if not self._due_at:
            return ()
        now = self._clock()
        return sorted(partition for partition, at in self._due_at.items() if at <= now)

    def is_due(self, partition: Partition) -> bool:
        """Tell whether a partition is still to be loaded: it may have been revoked meanwhile."""
        return partition in self._due_at

    def is_parked(self, partition: Partition) -> bool:
        """Tell whether something was wrong with a partition when it was last learned."""
        return partition in self._parked

    def note_loaded(self, partition: Partition) -> None:
        """Take note that a partition is learned now."""
        self._settled(partition)
        self._note_loaded()

    def postpone(self, partition: Partition, seconds: float) -> None:
        """Load a partition later, where it is ours; until then we are not ready."""
        if partition in self.mine:
            self._due_at[partition] = self._clock() + seconds
            self._parked.discard(partition)
        self._note_loaded()

    def park(self, partition: Partition, seconds: float) -> None:
        """Look later whether somebody has mended what is wrong with it; the others go on."""
        self.postpone(partition, seconds)
        if partition in self.mine:
            self._parked.add(partition)
        self._note_loaded()

    def release(self, state: ShardState) -> None:
        """Keep what we have of a partition that goes away: it may come back at once."""
        self._released[state.partition] = state

    def released(self, partition: Partition) -> ShardState | None:
        """Return what we had of a partition, once."""
        return self._released.pop(partition, None)

    def _settled(self, partition: Partition) -> None:
        self._due_at.pop(partition, None)
        self._parked.discard(partition)

    def _note_loaded(self) -> None:
        if self._was_told and not self._due_at.keys() - self._parked:
            self.loaded.set()
        else:
            self.loaded.clear()
