"""Latency and cost: long tails, free agents, extremes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from olearn_core import Query, StrategyOptions
from olearn_plugins.cost import CostPredictor
from olearn_plugins.latency import LatencyPredictor
from olearn_plugins.lognormal import _excess, _student90
from tests.plugins.synthetic import names, snapshot


def one_task(samples, component):
    """Return the estimate of agents with these samples on one task type."""
    agent = np.repeat(np.arange(len(samples)), [len(s) for s in samples])
    cells = np.stack([np.zeros_like(agent), agent])
    agents = names("agent", len(samples))
    sums = snapshot(cells, ("task-0",), agents, **{component: np.concatenate(samples)})
    predictor = LatencyPredictor if component == "latency_ms" else CostPredictor
    return predictor(StrategyOptions()).estimate(sums, Query("task-0", agents))


def test_units_are_milliseconds_and_dollars():
    rng = np.random.default_rng(0)
    latency = rng.lognormal(math.log(800.0), 0.3, 5_000)
    found = one_task([latency], "latency_ms")
    assert found.mean[0] == pytest.approx(latency.mean(), rel=0.01)
    assert found.parameters["mu"][0] == pytest.approx(math.log(800.0), abs=0.02)
    assert found.parameters["sigma"][0] == pytest.approx(0.3, abs=0.01)
    cost = rng.lognormal(math.log(0.002), 0.3, 5_000)
    found = one_task([cost], "cost_usd")
    assert found.mean[0] == pytest.approx(cost.mean(), rel=0.01)
    assert found.parameters["mu"][0] == pytest.approx(math.log(2_000.0), abs=0.02)


def test_the_arithmetic_mean_is_shown_whatever_the_tail():
    rng = np.random.default_rng(1)
    heavy = np.where(rng.random(4_000) < 0.05, 20_000.0, 500.0)
    found = one_task([heavy, np.full(4_000, 900.0)], "latency_ms")
    np.testing.assert_allclose(found.mean, [heavy.mean(), 900.0], rtol=0.03)
    assert found.parameters["mu"][0] < math.log(700.0)


def test_longer_tails_have_wider_intervals_at_equal_spread_of_logarithms():
    rng = np.random.default_rng(2)
    plain = np.exp(rng.normal(7.0, 0.7, 3_000))
    tail = np.exp(6.7 + 0.7 * (rng.exponential(1.0, 3_000) - 1.0))
    low, high = (one_task([sample], "latency_ms") for sample in (plain, tail))

    def width(found):
        return (math.log(found.high[0]) - math.log(found.low[0])) / found.parameters["sigma"][0]

    assert width(high) > width(low)


def test_a_free_agent_costs_nothing():
    paid = np.full(50, 0.002)
    found = one_task([np.zeros(50), paid], "cost_usd")
    assert found.low[0] == 0.0
    assert found.mean[0] < 1e-5
    assert found.mean[1] == pytest.approx(0.002, rel=0.05)
    assert np.isfinite(found.high).all()


def test_constant_latencies_are_nearly_certain():
    found = one_task([np.full(500, 700.0), np.full(500, 900.0)], "latency_ms")
    np.testing.assert_allclose(found.mean, [700.0, 900.0], rtol=0.01)
    assert (found.high / found.low < 1.1).all()


def test_the_largest_values_are_finite():
    found = one_task([np.full(5, 1.7e8), np.full(5, 0.01)], "latency_ms")
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.high).all()


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0])
def test_a_lognormal_law_has_the_relative_variance_of_its_logarithms(sigma):
    assert _excess(np.array([1.0]))[0] * sigma**2 == pytest.approx(sigma**2)


def test_excess_bounds():
    skew = np.array([0.3, 1.5, 3.0])
    np.testing.assert_allclose(_excess(skew), [0.09, 2.5, 9.0])


def test_student_quantiles_are_students():
    freedom = np.array([10.0, 20.0, 100.0, 1e6])
    np.testing.assert_allclose(_student90(freedom), t.ppf(0.95, freedom), atol=2e-3)
