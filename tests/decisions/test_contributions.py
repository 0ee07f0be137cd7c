"""What expected utilities are made of adds up, exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core.decisions.best import probability_best as one_best
from olearn_core.decisions.contributions import compared, effects
from olearn_core.decisions.judge import Judgement
from olearn_core.decisions.utility import scores
from olearn_core.models import Predictor, Query, Scores, StrategyOptions, Utility
from olearn_plugins.cost import CostPredictor
from olearn_plugins.latency import LatencyPredictor
from olearn_plugins.law import probability_best
from olearn_plugins.quality import QualityPredictor
from olearn_plugins.success import SuccessPredictor
from tests.plugins.synthetic import World

PREDICTORS: dict[str, Predictor[StrategyOptions]] = {
    "success": SuccessPredictor(StrategyOptions()),
    "quality": QualityPredictor(StrategyOptions()),
    "latency": LatencyPredictor(StrategyOptions()),
    "cost": CostPredictor(StrategyOptions()),
}

seeds = st.integers(0, 10_000)
weights = st.fixed_dictionaries({name: st.floats(0.01, 1) for name in PREDICTORS})


def judgement(seed: int, utility: Utility, task_type: str = "task-1") -> Judgement:
    """Return what is believed of agents of an invented fleet, a newcomer among them."""
    world = World(seed, tasks=4, agents=5)
    cells = world.cells(300)
    task, agent = cells
    chances = np.clip(world.effects(0.6, 0.15), 0.02, 0.98)[task, agent]
    success = (world.rng.random(300) < chances).astype(float)
    latency = np.exp(world.effects(7.0, 0.5)[task, agent] + 0.3 * world.rng.standard_normal(300))
    cost = np.exp(world.effects(-6.0, 1.0)[task, agent])
    sums = world.sums(cells, success=success, quality=chances, latency_ms=latency, cost_usd=cost)
    query = Query(task_type, (*sums.agents, "newcomer"))
    estimates = {name: p.estimate(sums, query) for name, p in PREDICTORS.items()}
    executions = np.full(len(query.agents), 60.0)
    return Judgement(query, utility, estimates, scores(estimates, utility, query), executions, sums)


@settings(max_examples=40, deadline=None)
@given(seeds, weights, st.floats(0, 5))
def test_contributions_add_up_to_the_difference_of_expected_utilities(
    seed: int, weighed: dict[str, float], price: float
) -> None:
    utility = Utility(weighed, 3_000.0, 0.01, cost_price=price)
    judged = judgement(seed, utility)
    found, mean = effects(judged), judged.scores.mean
    for other in (None, 2):
        comparison = compared(found, 0, other, None)
        gap = mean[0] - (mean.mean() if other is None else mean[other])
        assert comparison.difference == pytest.approx(gap, abs=1e-9)
        assert math.fsum(c.utility for c in comparison.contributions) == pytest.approx(
            gap, abs=1e-9
        )


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from(["task-1", "never seen"]))
def test_the_parts_of_bundled_estimates_add_up_to_the_mean_less_a_common_level(
    seed: int, task_type: str
) -> None:
    for name, estimate in judgement(seed, Utility(), task_type).estimates.items():
        assert set(estimate.parts) >= {"agent", "task_type"}, name
        level = estimate.mean - sum(estimate.parts.values())
        np.testing.assert_allclose(level, level[0], rtol=1e-9)


def test_an_agent_that_is_good_everywhere_is_told_from_a_specialist() -> None:
    world = World(1, tasks=6, agents=4)
    cells = world.cells(6_000)
    task, agent = cells
    chance = np.where(agent == 0, 0.9, 0.4)
    chance = np.where((agent == 1) & (task == 1), 0.9, chance)
    success = (world.rng.random(6_000) < chance).astype(float)
    sums = world.sums(cells, success=success)
    estimate = PREDICTORS["success"].estimate(sums, Query("task-1", sums.agents))
    lifted = {name: effect - effect.mean() for name, effect in estimate.parts.items()}
    assert lifted["agent"][0] > abs(lifted["task_type"][0])
    assert lifted["task_type"][1] > abs(lifted["agent"][1])


@pytest.mark.parametrize("seed", range(5))
def test_the_probability_to_be_best_is_the_laws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean, sd = rng.normal(0.7, 0.05, 8), rng.uniform(0.01, 0.2, 8)
    law = probability_best(mean, sd)
    for agent in range(8):
        assert one_best(Scores(mean, sd), agent) == pytest.approx(law[agent], abs=1e-3)
    assert one_best(Scores(mean[:1], sd[:1]), 0) == pytest.approx(1.0)
