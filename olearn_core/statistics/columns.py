"""Integer columns: what predictors declare and the table adds up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from olearn_core.statistics.arrays import FloatArray, IntArray
from olearn_core.statistics.batches import OutcomeBatch

SUM_LIMIT = 2**61
EVENTS_PER_CELL = 10**9


@dataclass(frozen=True, slots=True)
class Column:
    """
    One integer sum per cell.

    An event adds `round(clip(x, 0, cap) * scale) ** power`, rounded half to
    even, where x is `of(batch)` at its row; NaN adds nothing.

    :param unit: of x, for people
    :param scale: integer steps in one unit of x
    :param cap: the largest x that counts, in its unit
    :param of: float values, one an event, NaN where the event has none
    :raises ValueError: where 10^9 events at the cap could reach 2^61, or a number is not positive
    """

    name: str
    unit: str
    scale: int
    cap: float
    of: Callable[[OutcomeBatch], FloatArray]
    power: int = 1

    def __post_init__(self) -> None:
        if not (self.scale > 0 and 0 < self.cap < math.inf and self.power > 0):
            raise ValueError(f"column {self.name}: scale, cap and power are positive and finite")
        if round(self.cap * self.scale) ** self.power * EVENTS_PER_CELL >= SUM_LIMIT:
            raise ValueError(f"column {self.name}: {EVENTS_PER_CELL} events at the cap pass 2^61")

    def integers(self, batch: OutcomeBatch) -> IntArray:
        """Return what each event of the batch adds, shape (events,)."""
        clipped = np.minimum(np.fmax(self.of(batch), 0.0), self.cap)  # fmax turns NaN into 0
        steps: IntArray = np.rint(clipped * self.scale).astype(np.int64)
        return steps if self.power == 1 else steps**self.power

    @property
    def contract(self) -> tuple[str, str, int, float, int]:
        """What two declarations of one name must share."""
        return (self.name, self.unit, self.scale, self.cap, self.power)
