"""The law of the largest: against an adaptive reference integral, and what must hold of any law."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import log_ndtr

from olearn_plugins.law import largest, normal, probability_best

ACCURACY = 5e-4


def reference(mean, sd):
    """P(best), each by an integral of its own, in units of that agent's sd."""
    law = []
    for k in range(len(mean)):
        others = np.arange(len(mean)) != k

        def integrand(z, k=k, others=others):
            x = mean[k] + sd[k] * z
            log_product = log_ndtr((x - mean[others]) / sd[others]).sum()
            return math.exp(log_product - 0.5 * z * z) / math.sqrt(2.0 * math.pi)

        breaks = (mean[others] - mean[k]) / sd[k]
        reach = 4.0 * sd[others] / sd[k]
        points = np.concatenate([breaks - reach, breaks, breaks + reach])
        inside = np.unique(points[np.abs(points) < 9.0])[:120]
        limit = 400 + 2 * len(inside)
        law.append(quad(integrand, -9.0, 9.0, points=inside, limit=limit, epsabs=1e-7)[0])
    return np.array(law)


CASES = {
    "alike": ([0.70, 0.72, 0.71], [0.05, 0.05, 0.05]),
    "one_cold_arm_among_narrow_ones": ([0.5, 0.70, 0.71, 0.72], [0.5, 0.001, 0.001, 0.002]),
    "scales_from_1e-6_to_10": ([0.1, 0.2, 0.3, 0.25], [10.0, 0.1, 1e-3, 1e-6]),
    "hopeless_agents": ([0.9, 0.89, 0.1, 0.2], [0.02, 0.02, 0.03, 0.01]),
    "narrow_below_wide": ([1.0, 0.0], [1e-5, 3.0]),
    "far_from_zero": ([1e6, 1e6 + 0.5], [1.0, 0.2]),
    "tiny_scores": ([1e-9, 2e-9, 1.5e-9], [1e-9, 1e-10, 3e-9]),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_integral(case):
    mean, sd = map(np.array, CASES[case])
    np.testing.assert_allclose(probability_best(mean, sd), reference(mean, sd), atol=ACCURACY)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_integral_for_many_agents(seed):
    rng = np.random.default_rng(seed)
    mean, sd = rng.normal(0.7, 0.1, 12), 10 ** rng.uniform(-4, 0, 12)
    np.testing.assert_allclose(probability_best(mean, sd), reference(mean, sd), atol=ACCURACY)


def test_it_is_what_draws_do_with_200_agents():
    rng = np.random.default_rng(1)
    mean, sd = rng.normal(0.7, 0.05, 200), rng.uniform(0.001, 0.1, 200)
    draws = 200_000
    winners = np.concatenate(
        [(mean + sd * rng.standard_normal((draws // 20, 200))).argmax(axis=1) for _ in range(20)]
    )
    shares = np.bincount(winners, minlength=200) / draws
    np.testing.assert_allclose(probability_best(mean, sd), shares, atol=5e-3)


def test_what_is_known_exactly_and_best_is_chosen():
    law = probability_best(np.array([0.5, 0.6, 0.4]), np.zeros(3))
    assert law.tolist() == [0.0, 1.0, 0.0]


def test_ties_of_what_is_known_exactly_are_shared():
    law = probability_best(np.array([0.6, 0.6, 0.4]), np.zeros(3))
    assert law.tolist() == [0.5, 0.5, 0.0]


def test_a_known_agent_against_an_unknown_one():
    law = probability_best(np.array([0.5, 0.0]), np.array([0.0, 1.0]))
    assert law[0] == pytest.approx(0.6914624612740131, abs=ACCURACY)


def test_two_known_agents_that_tie_share_what_the_unknown_one_leaves():
    law = probability_best(np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(law, [0.3457, 0.3457, 0.3085], atol=ACCURACY)


def test_one_agent_is_the_best():
    assert probability_best(np.array([0.3]), np.array([0.2])).tolist() == [1.0]


posteriors = st.lists(
    st.tuples(st.floats(-1, 1), st.floats(-9, 1).map(lambda power: 10.0**power) | st.just(0.0)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(posteriors, st.randoms())
def test_it_is_a_law_and_does_not_look_at_the_order(posterior, random):
    mean, sd = np.array(posterior).T
    law = probability_best(mean, sd)
    assert (law >= 0.0).all()
    assert law.sum() == pytest.approx(1.0, abs=1e-9)
    order = np.array(random.sample(range(len(mean)), len(mean)))
    np.testing.assert_allclose(probability_best(mean[order], sd[order]), law[order], atol=ACCURACY)


@settings(max_examples=50, deadline=None)
@given(posteriors, st.floats(1e-3, 1e6), st.floats(-10, 10))
def test_it_does_not_look_at_the_scale(posterior, factor, shift):
    mean, sd = np.array(posterior).T
    mean, sd = np.round(mean, 3), np.maximum(sd, 1e-4)
    law = probability_best(mean, sd)
    np.testing.assert_allclose(
        probability_best(factor * (mean + shift), factor * sd), law, atol=ACCURACY
    )


def test_the_raw_sum_is_one_before_it_is_normalised(monkeypatch):
    """The check that costs nothing: it would tell of a quadrature that fails."""
    raw = []
    monkeypatch.setattr("olearn_plugins.law._checked", lambda law: raw.append(law.sum()) or law)
    for mean, sd in CASES.values():
        probability_best(np.array(mean), np.array(sd))
    np.testing.assert_allclose(raw, 1.0, atol=1e-5)


@pytest.mark.parametrize("hazard", [0.0, 3.0, math.nan, math.inf])
def test_a_quadrature_that_fails_says_so_and_is_still_a_law(hazard, caplog):
    def broken(points):
        shape = (len(points), 3)
        return np.zeros(shape), np.full(shape, hazard)

    law = largest(broken, np.array([0.0, 1.0]))
    assert "instead of 1" in caplog.text
    assert (law > 0).all()
    assert law.sum() == pytest.approx(1.0, abs=1e-12)


def test_the_tabulated_normal_law_is_the_normal_law():
    z = np.linspace(-9.0, 8.0, 20_001)
    log_cdf, hazard = normal(z)
    np.testing.assert_allclose(log_cdf, log_ndtr(z), atol=1e-6)
    density = np.exp(-0.5 * z**2 - log_ndtr(z)) / math.sqrt(2.0 * math.pi)
    np.testing.assert_allclose(hazard, density, atol=2e-5)
