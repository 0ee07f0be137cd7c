"""
Which decisions came back: two columns by decision time, read together.

Nothing is joined but at read time: `decided` is folded from the log of decisions,
`joined` from outcomes that bring a decision_id back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olearn_core.learning.shards.cells import JOINED_CONTEXT
from olearn_core.learning.views.shard_tables import ShardTables, TableIndexes
from olearn_core.learning.views.tenants import TenantSpace, gathered
from olearn_core.statistics import Column, IntArray, OutcomeBatch, Rows, Tier
from olearn_core.statistics.arrays import BoolArray
from olearn_core.statistics.buckets import DAY_SECONDS, HOUR_SECONDS, HOURS_KEPT
from olearn_core.statistics.standard import DECIDED, JOINED


@dataclass(frozen=True, slots=True)
class Returns:
    """
    A tenant's decisions by agent, task type and bucket of decision time, in equal arrays.

    :param tasks: names, numbered in `places`; `agents` likewise
    :param places: task, agent, tier and number of the bucket, shape (rows, 4)
    :param decided: decisions that were made, shape (rows,)
    :param joined: decisions that an outcome came for
    :param is_over: whether no outcome is waited for any more
    """

    tasks: Sequence[str]
    agents: Sequence[str]
    places: IntArray
    decided: IntArray
    joined: IntArray
    is_over: BoolArray

    @property
    def dangling(self) -> IntArray:
        """
        Decisions that no outcome came for in time, shape (rows,).

        Never below 0, where decisions are missing in their log or are read later.
        """
        left: IntArray = np.where(self.is_over, np.maximum(0, self.decided - self.joined), 0)
        return left

    @property
    def days(self) -> IntArray:
        """Days since 1970 of the buckets, -1 for what is older than those kept, shape (rows,)."""
        return Rows(self.places[:, 0], self.places[:, 2], self.places[:, 3]).days()

    @property
    def dangling_share(self) -> float | None:
        """Share of the decisions whose time is over, None where there are none."""
        over = int(self.decided[self.is_over].sum())
        return int(self.dangling.sum()) / over if over else None


class ReturnCounts:
    """
    Counts decisions and those that came back.

    :param wait_seconds: how long an outcome may take
    """

    def __init__(self, outcomes: ShardTables, decisions: ShardTables, wait_seconds: float) -> None:
        spaces: dict[str, TenantSpace] = {}
        self._spaces = spaces
        self._outcomes, self._decisions = outcomes, decisions
        self._joined, self._decided = TableIndexes(spaces, JOINED_CONTEXT), TableIndexes(spaces)
        self.wait_seconds = wait_seconds

    def of(self, tenant: str, now_seconds: float) -> Returns:
        """Return a tenant's decisions, as compacted now; what is none has no row."""
        decided = self._decided.of(self._decisions.tables())
        joined = self._joined.of(self._outcomes.tables())
        made, made_counts = gathered(tenant, decided, (DECIDED.name,))
        came, came_counts = gathered(tenant, joined, (JOINED.name,))
        places = _compacted(np.concatenate([made, came]), now_seconds)
        unique, rows = _distinct(places)
        sums = np.zeros((len(unique), 2), dtype=np.int64)
        np.add.at(sums[:, 0], rows[: len(made)], made_counts[:, 0])
        np.add.at(sums[:, 1], rows[len(made) :], came_counts[:, 0])
        space = self._spaces.get(tenant, TenantSpace())
        is_over = _is_over(unique, self.wait_seconds, now_seconds)
        return Returns(
            tuple(space.tasks), tuple(space.agents), unique, sums[:, 0], sums[:, 1], is_over
        )


def _distinct(places: IntArray) -> tuple[IntArray, IntArray]:
    """Return the different places, and which of them each row has."""
    sizes = places.max(axis=0, initial=0) + 1
    _, first, rows = np.unique(
        np.ravel_multi_index(tuple(places.T), tuple(sizes.tolist())),
        return_index=True,
        return_inverse=True,
    )
    return places[first], rows.reshape(-1)


def _compacted(places: IntArray, now_seconds: float) -> IntArray:
    rows = Rows(places[:, 0], places[:, 2], places[:, 3]).compacted(now_seconds)
    return np.stack([places[:, 0], places[:, 1], rows.tiers, rows.numbers], axis=1)


def _is_over(places: IntArray, wait_seconds: float, now_seconds: float) -> BoolArray:
    """
    Tell which buckets hold nothing younger than the wait; what is over stays so when compacted.

    A day takes in hours that are old, so it need not end before a short wait is over.
    """
    tiers, numbers = places[:, 2], places[:, 3]
    is_short = wait_seconds <= (HOURS_KEPT - 1) * HOUR_SECONDS
    days = (numbers + 1) * (0 if is_short else DAY_SECONDS)
    ends = np.where(tiers == Tier.HOUR, (numbers + 1) * HOUR_SECONDS, days)
    over: BoolArray = (tiers == Tier.BASE) | (ends + wait_seconds <= now_seconds)
    return over


def default_outcome(columns: Sequence[Column], reward: float) -> IntArray:
    """
    Return what an outcome adds that says nothing but its success, shape (columns,).

    :param reward: its success, between 0 and 1
    """
    nothing = np.full(1, np.nan)
    batch = OutcomeBatch(np.full(1, reward), nothing, nothing, nothing, nothing)
    return np.array([int(column.integers(batch)[0]) for column in columns], dtype=np.int64)
