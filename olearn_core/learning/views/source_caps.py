"""
No source brings more than its share of what is known of an agent.

A source is who reports an outcome. Whoever forges outcomes can move an agent by as
much as its sources weigh, so each is held to a share of the agent's weight when sums
are read; nothing that was learned is changed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olearn_core.learning.views.tenants import (
    TableIndex,
    TenantSpace,
    gathered,
    gathered_sources,
    summed,
)
from olearn_core.models import Sums
from olearn_core.statistics import FloatArray, IntArray, Rows, Weighting, row_weights

FEW_OUTCOMES = 20.0


def capped(
    sums: Sums,
    tenant: str,
    space: TenantSpace,
    indexes: Sequence[TableIndex],
    weighting: Weighting,
    count: str,
    now_seconds: float,
    most_share: float,
) -> Sums:
    """
    Return the sums with each source held to its share of each agent's weight.

    :param count: column that the weight is counted in
    """
    columns = tuple(sums.columns)
    places, values = gathered_sources(tenant, indexes, columns)
    if not len(places):
        return sums
    agents, sources = len(space.agents), len(space.sources)
    column = columns.index(count)
    senders = places[:, 1] * sources + places[:, 4]
    whole, whole_values = gathered(tenant, indexes, columns)
    rows = _rows(np.concatenate([whole, places[:, :4]]), agents).compacted(now_seconds)
    # A source's row weighs what its cell does, whatever it counts itself.
    counts = np.concatenate([whole_values[:, column], np.zeros(len(places), dtype=np.int64)])
    weights = row_weights(weighting, rows, counts, now_seconds)[len(whole) :]
    told = np.zeros(agents * sources)
    np.add.at(told, senders, weights * values[:, column])
    totals = sums.column(count).sum(axis=0)
    kept = kept_shares(told.reshape(agents, sources), totals, most_share).reshape(-1)
    cells = _rows(places, agents).cells
    excess = summed(cells, values, weights * (1.0 - kept[senders]), len(space.tasks) * agents)
    left = sums.values - excess.reshape(sums.values.shape)
    return Sums(sums.tasks, sums.agents, columns, left, sums.last_seen_days)


def _rows(places: IntArray, agents: int) -> Rows:
    """Return rows of (task, agent, tier, number, …)."""
    return Rows(places[:, 0] * agents + places[:, 1], places[:, 2], places[:, 3])


def kept_shares(weights: FloatArray, totals: FloatArray, most_share: float) -> FloatArray:
    """
    Return how much of each source counts, between 0 and 1, shape (agents, sources).

    :param weights: of each source's outcomes, shape (agents, sources)
    :param totals: of all outcomes, also those of no known source, shape (agents,)
    """
    kept = np.ones_like(weights)
    for agent in np.flatnonzero((weights > most_share * totals[:, None]).any(axis=1)).tolist():
        most = most_weight(weights[agent], float(totals[agent]), most_share)
        kept[agent] = np.minimum(1.0, most / np.maximum(weights[agent], 1e-12))
    return kept


def most_weight(weights: FloatArray, total: float, most_share: float) -> float:
    """
    Return what a source may weigh so that none has more than a share of what is left.

    With k sources held to w and R the weight of the others, w = share (k w + R). An
    agent of fewer than 1 / share sources cannot be held to it: there each counts as
    20 outcomes at least.
    """
    sources = np.sort(weights[weights > 0])[::-1]
    rest = total
    most = 0.0
    for held, largest in enumerate([*sources.tolist(), 0.0]):
        if held * most_share >= 1.0:
            break
        most = most_share * rest / (1.0 - held * most_share)
        if largest <= most:
            break
        rest = max(0.0, rest - largest)
    return most if len(sources) * most_share >= 1.0 else max(most, FEW_OUTCOMES)
