"""Forgetting, windows and gradients: weights of time buckets, chosen when sums are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from olearn_core.statistics.arrays import FloatArray, IntArray
from olearn_core.statistics.buckets import (
    DAY_SECONDS,
    DAYS_KEPT,
    HOUR_SECONDS,
    HOURS_KEPT,
    Tier,
)

Strategy = Literal["bayesian", "moving_average", "exponential", "gradient"]


@dataclass(frozen=True, slots=True)
class Weighting:
    """
    How much a bucket counts when its sums are read.

    :param half_life_days: of `exponential`
    :param window_days: of `moving_average`
    :param learning_rate: of `gradient`, between 0 and 1
    """

    strategy: Strategy = "bayesian"
    half_life_days: float = 14.0
    window_days: float = 30.0
    learning_rate: float = 0.02


@dataclass(frozen=True, slots=True)
class Rows:
    """
    Rows of one or several tables, in arrays of equal length.

    :param cells: number of the row's cell without its bucket
    :param tiers: tier of its bucket
    :param numbers: number of its bucket
    """

    cells: IntArray
    tiers: IntArray
    numbers: IntArray

    def compacted(self, now_seconds: float) -> Rows:
        """
        Return the rows with their buckets as they are when compacted now.

        So rows of equal cells weigh the same, whether their tables are compacted
        yet or not: what an adjustment takes away weighs what it had added.
        """
        hour_now = int(now_seconds // HOUR_SECONDS)
        old_hour = (self.tiers == Tier.HOUR) & (self.numbers <= hour_now - HOURS_KEPT)
        tiers = np.where(old_hour, Tier.DAY, self.tiers)
        numbers = np.where(old_hour, self.numbers // 24, self.numbers)
        old_day = (tiers == Tier.DAY) & (numbers <= hour_now // 24 - DAYS_KEPT)
        return Rows(
            self.cells,
            np.where(old_day, Tier.BASE, tiers).astype(np.int64),
            np.where(old_day, 0, numbers).astype(np.int64),
        )

    def ages_seconds(self, now_seconds: float) -> FloatArray:
        """Return each bucket's age from its midpoint; the base is infinitely old."""
        lengths = np.where(self.tiers == Tier.HOUR, HOUR_SECONDS, DAY_SECONDS)
        ages = np.maximum(0.0, now_seconds - (self.numbers + 0.5) * lengths)
        return np.where(self.tiers == Tier.BASE, np.inf, ages)

    def days(self) -> IntArray:
        """Return the day of each bucket, the base before all others."""
        days = np.where(self.tiers == Tier.HOUR, self.numbers // 24, self.numbers)
        return np.where(self.tiers == Tier.BASE, -1, days).astype(np.int64)


def row_weights(
    weighting: Weighting, rows: Rows, counts: IntArray, now_seconds: float
) -> FloatArray:
    """
    Return the weight of each row.

    :param counts: events in each row, of the component that is read
    """
    match weighting.strategy:
        case "bayesian":
            return np.ones(len(rows.cells))
        case "moving_average":
            window = weighting.window_days * DAY_SECONDS
            return (rows.ages_seconds(now_seconds) <= window).astype(np.float64)
        case "exponential":
            half_life = weighting.half_life_days * DAY_SECONDS
            return np.exp2(-rows.ages_seconds(now_seconds) / half_life)
        case "gradient":
            return _gradient_weights(weighting.learning_rate, rows, counts)


def _gradient_weights(rate: float, rows: Rows, counts: IntArray) -> FloatArray:
    """
    Weights that turn sums into the recursion w <- m + (1-rate)^n (w - m), a step a day.

    Unrolled, the day's mean m enters w with (1 - (1-rate)^n) (1-rate)^(events later);
    divided by n * rate, so that the newest event of a cell weighs about 1.
    """
    days, inverse = np.unique(np.stack([rows.cells, rows.days()]), axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    counted = np.bincount(inverse, weights=counts, minlength=days.shape[1])
    events = np.maximum(0.0, counted)  # an adjustment may be seen before what it takes away
    keep = 1.0 - rate
    step = (1.0 - keep**events) / (rate * np.maximum(events, 1.0))
    weights: FloatArray = (step * keep ** _later_events(days[0], events))[inverse]
    return weights


def _later_events(cells: IntArray, events: FloatArray) -> FloatArray:
    """Events of the same cell on later days; cells sorted, days ascending within a cell."""
    total = np.cumsum(events)
    last_of_cell = np.searchsorted(cells, cells, side="right") - 1
    return total[last_of_cell] - total
