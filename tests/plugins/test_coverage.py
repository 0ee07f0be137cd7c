"""
Do 90 % intervals hold nine times in ten?

The worlds are drawn with seeds, so that the figures do not change from run to run.
An interval is judged against its cell's true expectation.
"""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core import Query, StrategyOptions
from olearn_plugins.cost import CostPredictor
from olearn_plugins.latency import LatencyPredictor
from olearn_plugins.quality import QualityPredictor
from olearn_plugins.success import SuccessPredictor
from tests.plugins.synthetic import World

SEEDS = range(12)
OUTCOMES = 2_500
ENOUGH = 20


def held(predictor, sums, truth, cells, enough):
    """Return whether each interval holds, of cells with enough outcomes."""
    counts = np.zeros(truth.shape)
    np.add.at(counts, (cells[0], cells[1]), 1)
    found = [
        predictor(StrategyOptions()).estimate(sums, Query(task, sums.agents)) for task in sums.tasks
    ]
    low, high = np.array([e.low for e in found]), np.array([e.high for e in found])
    return ((low <= truth) & (truth <= high))[counts >= enough]


def coverage(draw, predictor, enough=ENOUGH):
    """Return the share of intervals that hold; `draw` returns outcomes and their truth."""
    holds = []
    for seed in SEEDS:
        world = World(seed, tasks=8, agents=10)
        cells = world.cells(OUTCOMES)
        outcomes, truth = draw(world, cells)
        holds.append(held(predictor, world.sums(cells, **outcomes), truth, cells, enough))
    return np.concatenate(holds).mean()


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def successes(level):
    def draw(world, cells):
        rate = logistic(world.effects(level, 1.0))
        return {"success": world.rng.random(OUTCOMES) < rate[tuple(cells)]}, rate

    return draw


@pytest.mark.parametrize("level", [-2.0, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("enough", [1, ENOUGH])
def test_success(level, enough):
    assert 0.85 <= coverage(successes(level), SuccessPredictor, enough) <= 0.96


@pytest.mark.parametrize("strength", [3.0, 30.0])
def test_quality(strength):
    def draw(world, cells):
        mean = logistic(world.effects(1.0, 0.8))
        a, b = strength * mean[tuple(cells)], strength * (1 - mean[tuple(cells)])
        return {"quality": world.rng.beta(a, b)}, mean

    assert 0.85 <= coverage(draw, QualityPredictor) <= 0.95


def long_tailed(component, unit, sample, mean_of):
    def draw(world, cells):
        level = np.exp(world.effects(6.5, 0.4))
        sigma = np.exp(world.effects(-0.8, 0.3))
        x = level[tuple(cells)] * sample(world.rng, sigma[tuple(cells)])
        return {component: x / unit}, level * mean_of(sigma) / unit

    return draw


def lognormal(rng, sigma):
    return np.exp(sigma * rng.standard_normal(len(sigma)))


def lognormal_mean(sigma):
    return np.exp(sigma**2 / 2)


def gamma(rng, sigma):
    return rng.gamma(1 / sigma**2) * sigma**2


def gamma_mean(sigma):
    return np.ones_like(sigma)


def sometimes_slow(rng, sigma):
    slow = rng.random(len(sigma)) < 0.1
    return lognormal(rng, 0.5 * sigma) * np.where(slow, 4.0, 1.0)


def sometimes_slow_mean(sigma):
    return 1.3 * lognormal_mean(0.5 * sigma)


TAILS = {
    "lognormal": (lognormal, lognormal_mean),
    "gamma": (gamma, gamma_mean),
    "sometimes_slow": (sometimes_slow, sometimes_slow_mean),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("enough", [1, ENOUGH])
def test_latency(tail, enough):
    draw = long_tailed("latency_ms", 1.0, *TAILS[tail])
    assert 0.85 <= coverage(draw, LatencyPredictor, enough) <= 0.95


@pytest.mark.parametrize("tail", TAILS)
def test_cost(tail):
    draw = long_tailed("cost_usd", 1e6, *TAILS[tail])
    assert 0.85 <= coverage(draw, CostPredictor) <= 0.95


def test_agents_tried_on_the_same_tasks():
    """Their errors are not independent: nobody may take them for so many witnesses."""

    def draw(world, cells):
        level = np.exp(world.effects(6.5, 0.4))
        task, agent = cells
        length = np.exp(0.4 * world.rng.standard_normal(OUTCOMES // 10))
        return {"latency_ms": level[task, agent] * np.repeat(length, 10)}, level * np.exp(0.08)

    holds = []
    for seed in SEEDS:
        world = World(seed, tasks=8, agents=10)
        tasks = np.repeat(world.rng.integers(0, 8, OUTCOMES // 10), 10)
        cells = np.stack([tasks, np.tile(np.arange(10), OUTCOMES // 10)])
        outcomes, truth = draw(world, cells)
        sums = world.sums(cells, **outcomes)
        holds.append(held(LatencyPredictor, sums, truth, cells, ENOUGH))
    assert 0.83 <= np.concatenate(holds).mean() <= 0.97
