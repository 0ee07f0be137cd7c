"""What all four predictors promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core import Query, StrategyOptions
from olearn_plugins.cost import CostPredictor
from olearn_plugins.latency import LatencyPredictor
from olearn_plugins.quality import QualityPredictor
from olearn_plugins.success import SuccessPredictor
from tests.plugins.synthetic import (
    World,
    fields,
    names,
    nothing_known,
    permuted,
    scaled,
    with_agent,
)

PREDICTORS = (SuccessPredictor, QualityPredictor, LatencyPredictor, CostPredictor)
SHARES = (SuccessPredictor, QualityPredictor)

every_predictor = pytest.mark.parametrize("predictor", PREDICTORS)


def outcomes(seed, count=400, tasks=4, agents=5):
    world = World(seed, tasks, agents)
    cells = world.cells(count)
    task, agent = cells
    rate = 1 / (1 + np.exp(-world.effects(0.5, 1.0)))[task, agent]
    ln_latency = world.effects(6.5, 0.4)[task, agent]
    ln_cost = world.effects(6.0, 0.6)[task, agent]
    draw = world.rng.standard_normal
    return world.sums(
        cells,
        success=world.rng.random(count) < rate,
        quality=world.rng.beta(8 * rate, 8 * (1 - rate)),
        latency_ms=np.exp(ln_latency + 0.4 * draw(count)),
        cost_usd=np.exp(ln_cost + 0.3 * draw(count)) / 1e6,
    )


def estimate(predictor, sums, task_type="task-0", agents=None):
    query = Query(task_type, sums.agents if agents is None else agents)
    return predictor(StrategyOptions()).estimate(sums, query)


@every_predictor
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), random=st.randoms(use_true_random=False))
def test_permuted_agents_have_permuted_estimates(predictor, seed, random):
    sums = outcomes(seed)
    order = random.sample(range(5), 5)
    expected = fields(estimate(predictor, sums))[:, order]
    np.testing.assert_allclose(
        fields(estimate(predictor, permuted(sums, order))), expected, rtol=1e-7
    )


@every_predictor
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000))
def test_an_agent_without_outcomes_changes_hardly_anything_for_the_others(predictor, seed):
    sums = outcomes(seed)
    more = with_agent(sums, "fresh")
    before, after = estimate(predictor, sums), estimate(predictor, more, agents=sums.agents)
    np.testing.assert_allclose(after.mean, before.mean, rtol=0.02, atol=0.005)


@every_predictor
def test_an_agent_without_outcomes_is_estimated_like_an_unknown_one(predictor):
    sums = with_agent(outcomes(1), "fresh")
    found = fields(estimate(predictor, sums, agents=("fresh", "never heard of")))
    np.testing.assert_allclose(found[:, 0], found[:, 1])


@every_predictor
def test_newcomers_are_estimated_between_the_known_and_with_less_certainty(predictor):
    sums = outcomes(2, count=3_000)
    known = estimate(predictor, sums)
    new = estimate(predictor, sums, agents=("never heard of",))
    assert known.mean.min() < new.mean[0] < known.mean.max()
    assert new.effective_n[0] < known.effective_n.min()
    assert new.high[0] - new.low[0] > (known.high - known.low).max()


@every_predictor
def test_an_unknown_task_type_still_tells_the_agents_apart(predictor):
    sums = outcomes(3, count=4_000, tasks=8)
    everywhere = np.mean([estimate(predictor, sums, t).mean for t in sums.tasks], axis=0)
    unknown = estimate(predictor, sums, "never heard of")
    assert np.corrcoef(np.log(everywhere), np.log(unknown.mean))[0, 1] > 0.9


@every_predictor
@pytest.mark.parametrize(("tasks", "agents"), [(0, 0), (0, 3), (3, 0), (1, 1), (4, 3)])
def test_nothing_known_is_estimated_from_the_prior(predictor, tasks, agents):
    asked = names("agent", 3)
    found = estimate(predictor, nothing_known(tasks, agents), agents=asked)
    assert np.isfinite(fields(found)).all()
    assert (found.effective_n == 0).all()
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()
    assert np.ptp(found.mean) == 0


@every_predictor
def test_no_agents_asked_no_agents_answered(predictor):
    assert estimate(predictor, outcomes(1), agents=()).mean.shape == (0,)


@every_predictor
@pytest.mark.parametrize("factor", [10.0, 1e4, 1e6])
def test_more_outcomes_of_the_same_kind_narrow_the_interval(predictor, factor):
    sums = outcomes(5, count=1_000)
    few, many = estimate(predictor, sums), estimate(predictor, scaled(sums, factor))
    assert ((many.high - many.low) < (few.high - few.low)).all()
    assert (many.effective_n > few.effective_n).all()
    assert np.isfinite(fields(many)).all()


@every_predictor
def test_the_mean_lies_in_its_interval(predictor):
    for seed in range(5):
        sums = outcomes(seed, count=100)
        for task in (*sums.tasks, "never heard of"):
            found = estimate(predictor, sums, task, (*sums.agents, "new"))
            assert (found.low <= found.mean).all()
            assert (found.mean <= found.high).all()


@every_predictor
def test_it_fits_once_a_snapshot(predictor, monkeypatch):
    sums = outcomes(1)
    first = fields(estimate(predictor, sums))
    monkeypatch.setattr(sums, "column", None)
    assert (fields(estimate(predictor, sums)) == first).all()


@pytest.mark.parametrize("predictor", SHARES)
def test_shares_stay_shares(predictor):
    for seed in range(5):
        sums = outcomes(seed, count=60)
        found = estimate(predictor, sums, agents=(*sums.agents, "new"))
        assert (found.low >= 0).all()
        assert (found.high <= 1).all()


@pytest.mark.parametrize("predictor", [LatencyPredictor, CostPredictor])
def test_single_outcomes_have_a_lognormal_law(predictor):
    sums = outcomes(6, count=20_000)
    found = estimate(predictor, sums)
    unit = 1.0 if predictor is LatencyPredictor else 1e6
    mu, sigma = found.parameters["mu"], found.parameters["sigma"]
    assert found.family == "lognormal"
    np.testing.assert_allclose(np.exp(mu + sigma**2 / 2) / unit, found.mean, rtol=0.05)
    np.testing.assert_allclose(found.parameters["mu_sd"] * found.mean, found.contrast_sd, rtol=1e-9)
