"""Agents that do better or worse than they did, found in the buckets of their sums."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Protocol

import numpy as np

from olearn_core.alerts.alert import Alert
from olearn_core.alerts.changes import Change, Measure, Series, changes
from olearn_core.learning.views.tenants import History
from olearn_core.statistics import OTHER, FloatArray, IntArray, Rows, Tier
from olearn_core.statistics.buckets import HOUR_SECONDS
from olearn_core.times import now_rfc3339

HISTORY_DAYS = 28
LIMIT = 20.0
MOST_ALERTS = 50

MEASURES = (
    Measure("success", "executions", "success", "success_sq", True, 0.05, 0.05),
    Measure("quality", "quality_n", "quality", "quality_sq", False, 0.02, 0.05),
    Measure("latency", "latency_n", "ln_latency", "ln_latency_sq", False, 0.05, log(1.2)),
    Measure("cost", "cost_n", "ln_cost", "ln_cost_sq", False, 0.05, log(1.2)),
)


class Histories(Protocol):
    """Where the buckets are."""

    @property
    def tenants(self) -> set[str]:
        """Tenants that have outcomes."""

    def history(self, tenant: str) -> History:
        """Return a tenant's rows."""


@dataclass(frozen=True, slots=True)
class Drift:
    """
    An agent's change.

    :param task_type: None for all of its task types together
    """

    tenant: str
    agent: str
    task_type: str | None
    component: str
    change: Change

    @property
    def alert(self) -> Alert:
        """What people are told."""
        since = float(self.change.start * HOUR_SECONDS)
        where = f"on {self.task_type}" if self.task_type else "on all its task types together"
        verb = "rose" if self.change.after > self.change.before else "fell"
        before, after = (_shown(self.component, x) for x in (self.change.before, self.change.after))
        sentence = (
            f"{self.component} of {self.agent} {where} {verb} from {before} to {after} since"
            f" {now_rfc3339(since)} ({self.change.n_before} outcomes before, {self.change.n_after}"
            " after)"
        )
        subject = (self.agent, self.task_type or "", self.component)
        return Alert("drift", subject, since, sentence, self.tenant)


class DriftWatch:
    """
    Looks through every tenant's buckets, in a thread, one tenant at a time.

    :param days: how far back a change may have begun
    """

    def __init__(
        self, histories: Histories, days: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._histories = histories
        self._days = days
        self._clock = clock
        self._found: list[Drift] = []

    def alerts(self) -> list[Alert]:
        """Return what was found in the last round, the clearest changes first."""
        return [drift.alert for drift in self._found]

    async def look(self) -> None:
        """Look through all tenants once."""
        found: list[Drift] = []
        now = self._clock()
        for tenant in sorted(self._histories.tenants):
            history = self._histories.history(tenant)
            found += await asyncio.to_thread(self._drifts, tenant, history, now)
        found.sort(key=lambda drift: -drift.change.ratio)
        self._found = found[:MOST_ALERTS]

    def _drifts(self, tenant: str, history: History, now: float) -> list[Drift]:
        return list(drifts(tenant, history, now, self._days))


def drifts(tenant: str, history: History, now: float, days: float) -> Iterator[Drift]:
    """
    Yield what has changed within so many days.

    Where several task types of an agent changed, or none by itself, all of them
    are told of together.
    """
    recent = _Recent.of(history, now)
    earliest = int(now // HOUR_SECONDS - days * 24)
    for number, agent in enumerate(history.agents):
        if agent == OTHER:
            continue
        tasks, starts, values = recent.of_agent(number)
        names = [history.tasks[task] for task in tasks.tolist()]
        for measure in MEASURES:
            if measure.squares in history.columns and len(starts) > 1:
                series = _series(values, starts, history.columns, measure)
                for change in _told(changes(series, measure, earliest, LIMIT), len(names)):
                    task_type = names[change.row] if change.row < len(names) else None
                    yield Drift(tenant, agent, task_type, measure.component, change)


def _told(found: Sequence[Change], strata: int) -> Iterable[Change]:
    single = [change for change in found if change.row < strata]
    if len(single) == 1 or len(found) == len(single):
        return single
    return [change for change in found if change.row == strata]


@dataclass(frozen=True, slots=True)
class _Recent:
    """Rows of the last days, sorted by agent; `starts` are hours since 1970."""

    agents: IntArray
    tasks: IntArray
    starts: IntArray
    values: IntArray

    @classmethod
    def of(cls, history: History, now: float) -> _Recent:
        """Leave out what is old."""
        places = history.places
        rows = Rows(places[:, 0], places[:, 2], places[:, 3]).compacted(now)
        starts = np.where(rows.tiers == Tier.HOUR, rows.numbers, rows.numbers * 24)
        oldest = now // HOUR_SECONDS - HISTORY_DAYS * 24
        kept = np.flatnonzero((rows.tiers != Tier.BASE) & (starts >= oldest))
        kept = kept[np.argsort(places[kept, 1], kind="stable")]
        return cls(places[kept, 1], places[kept, 0], starts[kept], history.values[kept])

    def of_agent(self, agent: int) -> tuple[IntArray, IntArray, FloatArray]:
        """Return its task types, bucket starts, and sums of shape (tasks, starts, columns)."""
        mine = slice(*np.searchsorted(self.agents, [agent, agent + 1]).tolist())
        tasks, task_of = np.unique(self.tasks[mine], return_inverse=True)
        starts, start_of = np.unique(self.starts[mine], return_inverse=True)
        sums = np.zeros((len(tasks), len(starts), self.values.shape[1]))
        np.add.at(sums, (task_of, start_of), self.values[mine])
        return tasks, starts, sums


def _series(
    values: FloatArray, starts: IntArray, columns: Sequence[str], measure: Measure
) -> Series:
    n, total, squares = (
        values[:, :, columns.index(name)]
        for name in (measure.count, measure.column, measure.squares)
    )
    return Series(n, total / measure.steps, squares / measure.steps**2, starts)


def _shown(component: str, level: float) -> str:
    if component == "latency":
        return f"{exp(level):.0f} ms"
    if component == "cost":
        return f"${exp(level) / 1e6:.5f}"
    return f"{100 * level:.1f} %" if component == "success" else f"{level:.2f}"
