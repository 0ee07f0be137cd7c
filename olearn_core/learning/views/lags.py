"""How far learning is behind the log, in records and in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from olearn_core.learning.shards.shard import Shard
from olearn_core.learning.workers.worker import Worker
from olearn_core.sources.source import Partition

MOST_SEEN = 512


class Lag(NamedTuple):
    """
    How far one partition is behind.

    :param records: that are in the log and not learned yet
    :param seconds: how long the first of them has been waiting
    """

    partition: Partition
    records: int
    seconds: float


@dataclass(slots=True)
class _Ends:
    """
    Where a partition's end was seen, and when it was first seen there.

    :param began_before: whether records may have waited before anybody looked
    """

    seen: list[tuple[float, int]] = field(default_factory=list)
    began_before: bool = True

    def note(self, end: int, now: float) -> None:
        """Remember an end; of many every other one is forgotten."""
        if not self.seen or end > self.seen[-1][1]:
            self.seen.append((now, end))
        if len(self.seen) > MOST_SEEN:
            del self.seen[1::2]

    def waiting_since(self, shard: Shard) -> float | None:
        """Return since when the first record not learned has been waiting, None for no record."""
        while self.seen and self.seen[0][1] <= shard.next_offset:
            self.seen.pop(0)
            self.began_before = False
        if not self.seen:
            return None
        at = self.seen[0][0]
        if self.began_before and shard.learned_ms > 0:
            return min(at, shard.learned_ms / 1_000)  # those behind it are hardly older
        return at


class Lags:
    """
    Watches the ends of a worker's partitions.

    :param clock: Unix seconds
    """

    def __init__(self, worker: Worker, clock: Callable[[], float] = time.time) -> None:
        self._worker = worker
        self._clock = clock
        self._ends: dict[Partition, _Ends] = {}

    def look(self) -> None:
        """Note where the partitions end now."""
        self.of_partitions()

    def of_partitions(self) -> Sequence[Lag]:
        """Return the lag of each partition whose end is known."""
        now = self._clock()
        known = {shard.partition: (shard, end) for shard, end in self._worker.ends()}
        self._ends = {p: self._ends.get(p) or _Ends() for p in known}
        found = []
        for partition, (shard, end) in known.items():
            ends = self._ends[partition]
            ends.note(end, now)
            since = ends.waiting_since(shard)
            behind = max(0, end - shard.next_offset)
            seconds = 0.0 if since is None else max(0.0, now - since)
            found.append(Lag(partition, behind, seconds))
        return found

    @property
    def seconds(self) -> float | None:
        """The longest wait of all partitions, None where no end is known."""
        return max((lag.seconds for lag in self.of_partitions()), default=None)
