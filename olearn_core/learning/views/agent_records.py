"""What each agent of a tenant did: in all, lately, hour by hour and day by day."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np

from olearn_core.learning.views.record import (
    IntegerSums,
    cost_record,
    latency_record,
    means,
    share_record,
)
from olearn_core.learning.views.tenants import History
from olearn_core.learning.views.view import View
from olearn_core.schemas import AgentHistory, AgentSummary, HistoryPoint, Trend
from olearn_core.statistics import OTHER, IntArray, Tier
from olearn_core.statistics.arrays import BoolArray
from olearn_core.statistics.buckets import DAY_SECONDS, HOUR_SECONDS
from olearn_core.times import now_rfc3339, rfc3339

TREND_HOURS = 24
FRESH_SECONDS = 0.25
REST_PER_COST = 20.0  # so that listing takes a twentieth of the time at most
TASK, AGENT, TIER, NUMBER = range(4)


@dataclass(frozen=True)
class AgentRecords:
    """
    All agents of a tenant, read from one look at its rows.

    :param hour: hours since 1970 of that look
    """

    history: History
    hour: int

    @cached_property
    def agents(self) -> Sequence[str]:
        """Every agent with an outcome, in the order of their coming."""
        seen = np.count_nonzero(self.totals, axis=1).tolist()
        return [agent for agent in compress(self.history.agents, seen) if agent != OTHER]

    @cached_property
    def totals(self) -> IntArray:
        """Sums of all time, shape (agents, columns)."""
        return self._added(self._places[:, AGENT], len(self.history.agents))

    def summary(self, agent: str, *, retired: bool) -> AgentSummary:
        """Return what is shown of an agent in a list."""
        at = self._numbers.get(agent)
        sums = self._named(self.totals[at]) if at is not None else {}
        executions, successes = self._trends
        hours = executions[at].tolist() if at is not None else [0] * TREND_HOURS
        good = successes[at].tolist() if at is not None else hours
        everybody = int(executions.sum())
        return AgentSummary(
            agent_name=agent,
            retired=retired,
            executions=sums.get("executions", 0),
            timeouts=sums.get("timeouts", 0),
            success=share_record(sums, "success", "executions"),
            quality=share_record(sums, "quality", "quality_n"),
            latency=latency_record(sums),
            cost=cost_record(sums),
            share_lately=sum(hours) / everybody if everybody else None,
            last_seen=rfc3339(float(self._last_seen[at])) if at is not None else None,
            trend=Trend(
                first_hour=now_rfc3339((self.hour - TREND_HOURS + 1) * HOUR_SECONDS),
                executions=hours,
                success=[s / 1e3 / n if n else None for s, n in zip(good, hours, strict=True)],
            ),
        )

    def by_task(self, agent: str) -> Iterator[tuple[str, IntegerSums]]:
        """Yield an agent's sums on each task type that it has outcomes of."""
        rows = self._rows_of(agent)
        tasks = self.history.tasks
        sums = self._added(self._places[:, TASK], len(tasks), rows)
        for task, row in zip(tasks, sums, strict=True):
            if row.any():
                yield task, self._named(row)

    def points(self, agent: str) -> AgentHistory:
        """Return what an agent did in each hour and day that is still told apart."""
        rows = self._rows_of(agent)
        tiers, numbers = self._places[:, TIER], self._places[:, NUMBER]
        hours = rows & (tiers == Tier.HOUR)
        days = np.where(tiers == Tier.HOUR, numbers // 24, numbers)
        return AgentHistory(
            hours=list(self._points(numbers, hours, HOUR_SECONDS)),
            days=list(self._points(days, rows & (tiers != Tier.BASE), DAY_SECONDS)),
        )

    def _points(self, numbers: IntArray, rows: BoolArray, seconds: int) -> Iterator[HistoryPoint]:
        starts, places = np.unique(numbers[rows], return_inverse=True)
        every = np.zeros(len(numbers), dtype=np.int64)
        every[rows] = places.reshape(-1)
        for start, row in zip(starts.tolist(), self._added(every, len(starts), rows), strict=True):
            sums = self._named(row)
            yield HistoryPoint(
                start=now_rfc3339(start * seconds),
                executions=sums.get("executions", 0),
                **means(sums),
            )

    @property
    def _places(self) -> IntArray:
        return self.history.places

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {agent: number for number, agent in enumerate(self.history.agents)}

    def _rows_of(self, agent: str) -> BoolArray:
        mine: BoolArray = self._places[:, AGENT] == self._numbers.get(agent, -1)
        return mine

    def _named(self, row: IntArray) -> dict[str, int]:
        return dict(zip(self.history.columns, row.tolist(), strict=True))

    def _added(self, targets: IntArray, size: int, rows: BoolArray | None = None) -> IntArray:
        values = self.history.values
        if rows is not None:
            targets, values = targets[rows], values[rows]
        sums = np.zeros((size, values.shape[1]), dtype=np.int64)
        np.add.at(sums, targets, values)
        return sums

    @cached_property
    def _trends(self) -> tuple[IntArray, IntArray]:
        """Executions and successes (in thousandths) of the last hours, shape (agents, hours)."""
        shape = (len(self.history.agents), TREND_HOURS)
        at = self._places[:, NUMBER] - (self.hour - TREND_HOURS + 1)
        rows = (self._places[:, TIER] == Tier.HOUR) & (at >= 0) & (at < TREND_HOURS)
        cells = self._places[rows, AGENT] * TREND_HOURS + at[rows]
        found = []
        for name in ("executions", "success"):
            sums = np.zeros(shape[0] * shape[1], dtype=np.int64)
            if name in self.history.columns:
                np.add.at(sums, cells, self.history.values[rows, self._column(name)])
            found.append(sums.reshape(shape))
        return found[0], found[1]

    def _column(self, name: str) -> int:
        return self.history.columns.index(name)

    @cached_property
    def _last_seen(self) -> IntArray:
        """Start of the newest bucket of each agent, Unix seconds; 0 for the base."""
        tiers, numbers = self._places[:, TIER], self._places[:, NUMBER]
        lengths = np.array([HOUR_SECONDS, DAY_SECONDS, 0], dtype=np.int64)
        last = np.zeros(len(self.history.agents), dtype=np.int64)
        np.maximum.at(last, self._places[:, AGENT], numbers * lengths[tiers])
        return last


class RecordKeeper:
    """
    Looks at a tenant's rows, and keeps what it saw for a moment: lists are asked for often.

    :param clock: Unix seconds
    """

    def __init__(self, view: View, clock: Callable[[], float] = time.time) -> None:
        self._view = view
        self._clock = clock
        self._kept: dict[str, tuple[float, AgentRecords]] = {}

    def of(self, tenant: str) -> AgentRecords:
        """Return a tenant's records, a moment old: the longer, the longer looking takes."""
        now = self._clock()
        until, kept = self._kept.get(tenant, (0.0, None))
        if kept is not None and now < until < now + 60:
            return kept
        started = time.perf_counter()
        found = AgentRecords(self._view.history(tenant), int(now // HOUR_SECONDS))
        _ = found.totals
        cost = time.perf_counter() - started
        self._forget_stale(now)
        self._kept[tenant] = (now + max(FRESH_SECONDS, cost * REST_PER_COST), found)
        return found

    def _forget_stale(self, now: float) -> None:
        self._kept = {t: (until, kept) for t, (until, kept) in self._kept.items() if until > now}
