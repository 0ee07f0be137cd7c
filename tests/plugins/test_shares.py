"""Success rates and quality: near 0 and 1, and between."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core import Query, StrategyOptions
from olearn_plugins.quality import QualityPredictor
from olearn_plugins.success import SuccessPredictor
from tests.plugins.synthetic import names, snapshot


def grid(rates, n):
    """Return success outcomes with exactly these rates in each cell."""
    rates = np.asarray(rates)
    tasks, agents = rates.shape
    task, agent, draw = np.indices((tasks, agents, n)).reshape(3, -1)
    success = draw < np.rint(rates[task, agent] * n)
    return snapshot(
        np.stack([task, agent]),
        names("task", tasks),
        names("agent", agents),
        success=success,
        quality=success,
    )


def success(sums, task="task-0"):
    return SuccessPredictor(StrategyOptions()).estimate(sums, Query(task, sums.agents))


def test_rates_with_many_outcomes_are_the_rates():
    rates = [[0.2, 0.5, 0.9], [0.7, 0.4, 0.95]]
    sums = grid(rates, 2_000)
    np.testing.assert_allclose(success(sums).mean, rates[0], atol=0.01)
    np.testing.assert_allclose(success(sums, "task-1").mean, rates[1], atol=0.01)


def test_who_never_fails_may_never_fail_and_who_always_fails_may_always_fail():
    found = success(grid([[1.0, 0.0, 0.6]], 40))
    assert found.high[0] == 1.0
    assert 0.85 < found.low[0] < 0.97
    assert found.low[1] == 0.0
    assert 0.03 < found.high[1] < 0.15
    assert found.low[2] > 0
    assert found.high[2] < 1


def test_one_lucky_success_decides_nothing():
    sums = grid([[0.3, 0.3, 0.3]] * 6, 50)
    sums.values[0, 0] = 0
    first = grid([[1.0, 0.0, 0.0]], 1).values[0, 0]
    sums.values[0, 0] = first
    found = success(sums)
    assert found.high[0] < 1.0
    assert found.mean[0] < 0.6


def test_a_partial_success_counts_half():
    cells = np.zeros((2, 100), dtype=np.int64)
    sums = snapshot(cells, ("task-0",), ("agent-0",), success=np.full(100, 0.5))
    found = success(sums)
    assert found.mean[0] == pytest.approx(0.5)
    certain = success(grid([[0.5]], 100))
    assert found.high[0] - found.low[0] < certain.high[0] - certain.low[0]


def test_graded_quality_tells_more_than_success_or_failure():
    rng = np.random.default_rng(0)
    cells = np.zeros((2, 200), dtype=np.int64)
    graded = snapshot(cells, ("task-0",), ("agent-0",), quality=rng.beta(16, 4, 200))
    yes_no = snapshot(cells, ("task-0",), ("agent-0",), quality=np.arange(200) < 160)
    predictor, query = QualityPredictor(StrategyOptions()), Query("task-0", ("agent-0",))
    graded, yes_no = predictor.estimate(graded, query), predictor.estimate(yes_no, query)
    assert graded.mean[0] == pytest.approx(0.8, abs=0.02)
    assert graded.high[0] - graded.low[0] < 0.6 * (yes_no.high[0] - yes_no.low[0])


def test_contrasts_leave_out_how_hard_the_task_type_is():
    found = success(grid([[0.5, 0.6]], 5))
    assert (found.contrast_sd > 0).all()
    lone = success(grid([[0.5]], 10_000))
    assert lone.sd[0] < 0.01
