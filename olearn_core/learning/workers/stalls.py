"""Partitions that have records to learn, and do not get on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from olearn_core.sources.source import Partition


@dataclass(slots=True)
class _Standing:
    offset: int
    since: float


class Stalls:
    """
    Notices where an offset has not moved for too long.

    :param patience_seconds: how long a partition may stand still
    :param clock: seconds that never jump
    """

    def __init__(self, patience_seconds: float, clock: Callable[[], float]) -> None:
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._standing: dict[Partition, _Standing] = {}
        self._remedied: dict[Partition, int] = {}

    def observe(self, offsets: Mapping[Partition, int]) -> Collection[Partition]:
        """
        Take note of where partitions stand; return those that are stuck.

        :param offsets: of the partitions that ought to get on; others are forgotten
        """
        now = self._clock()
        before = self._standing
        self._standing = {
            partition: known
            if (known := before.get(partition)) is not None and known.offset == offset
            else _Standing(offset, now)
            for partition, offset in offsets.items()
        }
        return [
            partition
            for partition, standing in self._standing.items()
            if now - standing.since >= self._patience_seconds
        ]

    def note_remedy(self, stuck: Collection[Partition]) -> bool:
        """Take note that something is done about it; False where that was done here before."""
        offsets = {partition: self._standing[partition].offset for partition in stuck}
        is_new = not offsets.items() & self._remedied.items()
        self._remedied |= offsets
        self.forget()
        return is_new

    def forget(self) -> None:
        """Begin anew: nothing could move."""
        self._standing = {}
