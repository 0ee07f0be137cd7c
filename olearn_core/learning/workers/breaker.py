"""A breaker for partitions that bring little but what cannot be read."""

from __future__ import annotations

from collections.abc import Callable

from olearn_core.config import LearningSettings

LONGEST_PAUSES = 5  # doublings


class Breaker:
    """
    Opens where most of many records are dead letters, so that a storm cannot fill the database.

    It closes by itself after a pause, which doubles each time up to 32 times
    while nothing gets better.

    :param clock: seconds that never jump
    """

    def __init__(self, settings: LearningSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._records = 0
        self._refused = 0
        self._trips = 0
        self._until: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the partition pauses."""
        return self._until is not None

    @property
    def has_tripped(self) -> bool:
        """Whether it opened since things were last known to be well."""
        return self._trips > 0

    @property
    def is_over(self) -> bool:
        """Whether a pause has ended, and another try is due."""
        return self._until is not None and self._clock() >= self._until

    @property
    def pause_seconds(self) -> float:
        """How long the last pause was meant to be."""
        doublings = min(self._trips - 1, LONGEST_PAUSES)
        return self._settings.breaker_pause_seconds * 2.0 ** max(0, doublings)

    def note(self, records: int, refused: int) -> None:
        """Count what was read; open where too much of it was refused."""
        self._records += records
        self._refused += refused
        if self._records < self._settings.breaker_records:
            return
        if self._refused >= self._settings.breaker_share * self._records:
            self._trips += 1
            self._until = self._clock() + self.pause_seconds
        else:
            self._trips = 0
        self._records = self._refused = 0

    def close(self) -> None:
        """Let records through again."""
        self._until = None
