"""Micro-batches: closed by size or by age, whichever comes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from olearn_core.sources.source import Partition, Record

Records = dict[Partition, list[Record]]


class MicroBatcher:
    """
    Gathers records until there are enough of them or the oldest has waited enough.

    :param size: records that close a batch
    :param timeout_seconds: how long the first record of a batch waits at most
    :param clock: monotonic seconds
    """

    def __init__(self, size: int, timeout_seconds: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._records: Records = {}
        self._opened_at: float | None = None

    def __len__(self) -> int:
        return sum(map(len, self._records.values()))

    def add(self, records: Mapping[Partition, Sequence[Record]]) -> None:
        """Put records behind those of the same partition."""
        for partition, batch in records.items():
            self._records.setdefault(partition, []).extend(batch)
        if self._opened_at is None and self._records:
            self._opened_at = self._clock()

    @property
    def wait_seconds(self) -> float:
        """How long until the batch closes by age; the timeout where it is empty."""
        if self._opened_at is None:
            return self._timeout_seconds
        return max(0.0, self._opened_at + self._timeout_seconds - self._clock())

    @property
    def is_due(self) -> bool:
        """Whether the batch should be learned now."""
        return len(self) >= self._size or (len(self) > 0 and self.wait_seconds == 0.0)

    def take(self) -> Records:
        """Close the batch and return it."""
        records, self._records, self._opened_at = self._records, {}, None
        return records

    def drop(self, partition: Partition) -> None:
        """Forget a partition's records: somebody will read them again."""
        self._records.pop(partition, None)
        if not self._records:
            self._opened_at = None
