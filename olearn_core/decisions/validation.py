"""
Progressive validation from the buckets: each hour tests what was known before it.

A predictor estimates, from the rows of earlier buckets alone, what the agents of an
hour's outcomes would bring on their tasks; the hour's own rows tell what they brought.
That is prequential evaluation (Dawid, JRSS A 1984) in steps of an hour. Rollbacks and
the cap on sources are left out: the rows of outcomes are all that is looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from olearn_core.learning.views.tenants import History, weighed_history
from olearn_core.learning.views.view import View
from olearn_core.models import Predictor, Query
from olearn_core.schemas import ValidationHour
from olearn_core.statistics import FloatArray, IntArray, Tier
from olearn_core.statistics.buckets import HOUR_SECONDS
from olearn_core.times import now_rfc3339

STEPS = {"success": 1e3, "quality": 1e3, "latency": 10.0, "cost": 1e6}
SETTLED_HOURS = 2  # late outcomes are rare then
MOST_KEPT = 5_000
TIER, NUMBER = 2, 3


@dataclass(frozen=True, slots=True)
class _Tested:
    """Sums over an hour's outcomes, in the predictor's unit: seen, expected, squared errors."""

    n: int
    observed: float
    expected: float
    squared_errors: float | None


class Validation:
    """
    Tests predictors on the hours behind us; hours that are settled are tested once.

    :param clock: Unix seconds
    """

    def __init__(self, view: View, clock: Callable[[], float] = time.time) -> None:
        self._view = view
        self._clock = clock
        self._kept: dict[tuple[str, str, int], ValidationHour] = {}

    async def hours(
        self, tenant: str, predictor: Predictor[Any], most: int
    ) -> Sequence[ValidationHour]:
        """
        Return the last hours that have outcomes, this one among them, oldest first.

        :param most: how many hours to look back, below 48
        """
        column = _column(predictor)
        if column is None:
            return []
        history, now = self._view.history(tenant), int(self._clock() // HOUR_SECONDS)
        hours = history.places[history.places[:, TIER] == Tier.HOUR, NUMBER]
        found = []
        for hour in np.unique(hours[hours > now - most]).tolist():
            if tested := self._hour(tenant, predictor, column, history, hour, now):
                found.append(tested)
            await asyncio.sleep(0)  # each costs a fit: let decisions in
        return found

    def _hour(
        self,
        tenant: str,
        predictor: Predictor[Any],
        column: str,
        history: History,
        hour: int,
        now: int,
    ) -> ValidationHour | None:
        key = (tenant, predictor.name, hour)
        if key in self._kept:
            return self._kept[key]
        tested = _tested(predictor, column, history, hour)
        if not tested.n:
            return None
        error = tested.squared_errors
        body = ValidationHour(
            start=now_rfc3339(hour * HOUR_SECONDS),
            outcomes=tested.n,
            observed=tested.observed / tested.n,
            expected=tested.expected / tested.n,
            mean_squared_error=None if error is None else error / tested.n,
        )
        if hour <= now - SETTLED_HOURS:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = body
        return body


def _column(predictor: Predictor[Any]) -> str | None:
    """Return the column that sums what a predictor estimates, None where there is none."""
    component = str(predictor.component)
    declared = {column.name for column in predictor.columns}
    return component if component in STEPS and component in declared else None


def _tested(predictor: Predictor[Any], column: str, history: History, hour: int) -> _Tested:
    tiers, numbers = history.places[:, TIER], history.places[:, NUMBER]
    before = history.only((tiers != Tier.HOUR) | (numbers < hour))
    weighting, count = predictor.options.weighting, predictor.count.name
    known = weighed_history(before, weighting, count, float(hour * HOUR_SECONDS))
    of_hour = _summed(history.only((tiers == Tier.HOUR) & (numbers == hour)))
    counts = of_hour[:, :, history.columns.index(count)]
    expected = np.zeros(counts.shape)
    for task in np.flatnonzero(counts.any(axis=1)).tolist():
        agents = np.flatnonzero(counts[task])
        query = Query(history.tasks[task], tuple(history.agents[a] for a in agents.tolist()))
        expected[task, agents] = predictor.estimate(known, query).mean
    observed = of_hour[:, :, history.columns.index(column)] / STEPS[column]
    squares = _squares(history, of_hour, column)
    errors = None
    if squares is not None:
        errors = float((squares - 2 * expected * observed + counts * expected**2).sum())
    return _Tested(
        int(counts.sum()), float(observed.sum()), float((counts * expected).sum()), errors
    )


def _squares(history: History, of_hour: IntArray, column: str) -> FloatArray | None:
    """Return sums of squares; of latency and cost only logarithms' squares are summed."""
    name = f"{column}_sq"
    if name not in history.columns:
        return None
    squares: FloatArray = of_hour[:, :, history.columns.index(name)] / STEPS[column] ** 2
    return squares


def _summed(rows: History) -> IntArray:
    shape = (len(rows.tasks), len(rows.agents), len(rows.columns))
    sums = np.zeros(shape, dtype=np.int64)
    np.add.at(sums, (rows.places[:, 0], rows.places[:, 1]), rows.values)
    return sums
