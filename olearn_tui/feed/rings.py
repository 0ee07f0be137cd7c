"""The newest samples of a number, in memory that does not grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Ring:
    """Keeps at least the newest `capacity` samples and their times, in order."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._times = np.empty(2 * capacity)
        self._values = np.empty(2 * capacity)
        self._size = 0

    def add(self, time: float, value: float | None) -> None:
        """Add a sample; None is a gap. A time that is not later replaces the newest."""
        if self._size and time <= self._times[self._size - 1]:
            self._size -= 1
        if self._size == 2 * self._capacity:
            self._forget()
        self._times[self._size] = time
        self._values[self._size] = np.nan if value is None else value
        self._size += 1

    def _forget(self) -> None:
        for kept in (self._times, self._values):
            kept[: self._capacity] = kept[self._capacity :].copy()
        self._size = self._capacity

    @property
    def times(self) -> Floats:
        """When, in seconds since 1970."""
        return self._times[: self._size]

    @property
    def values(self) -> Floats:
        """What; NaN in gaps."""
        return self._values[: self._size]

    @property
    def newest(self) -> float | None:
        """The newest value, None where there is none."""
        if not self._size or np.isnan(self._values[self._size - 1]):
            return None
        return float(self._values[self._size - 1])

    def at(self, time: float) -> float | None:
        """Return the value that was there at a time, None before the first."""
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        if place < 0 or np.isnan(self._values[place]):
            return None
        return float(self._values[place])

    def __len__(self) -> int:
        return self._size
