"""The cheapest within a margin of the best: against draws, and what must hold of any law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core import Estimate, Utility
from olearn_plugins.agent_selection import AgentSelection, AgentSelectionOptions
from olearn_plugins.law import probability_best
from olearn_plugins.thrift import probability_cheapest
from tests.plugins.synthetic import choice

DRAWS = 400_000


def cheapest(mean, sd, cost, within):
    """Return the law for one margin for all."""
    arrays = (np.asarray(values, dtype=np.float64) for values in (mean, sd, cost))
    return probability_cheapest(*arrays, np.full(len(mean), float(within)))


def drawn(mean, sd, cost, within, seed=1):
    """Return how often each agent is the cheapest within the margin."""
    values = np.random.default_rng(seed).normal(mean, sd, (DRAWS, len(mean)))
    enough = values >= values.max(axis=1, keepdims=True) - within
    return np.bincount(np.where(enough, cost, np.inf).argmin(axis=1), minlength=len(mean)) / DRAWS


CASES = {
    "alike": ([0.70, 0.72, 0.71], [0.05, 0.05, 0.05], [3.0, 1.0, 2.0], 0.03),
    "one_cold_arm_among_narrow_ones": (
        [0.5, 0.70, 0.71, 0.72],
        [0.5, 0.001, 0.001, 0.002],
        [4.0, 1.0, 2.0, 3.0],
        0.015,
    ),
    "at_the_margin": ([0.70, 0.75], [0.01, 0.01], [1.0, 2.0], 0.05),
    "scales_from_1e-6_to_1": (
        [0.1, 0.2, 0.3, 0.25],
        [1.0, 0.1, 1e-3, 1e-6],
        [1.0, 2.0, 4.0, 3.0],
        0.06,
    ),
    "the_best_is_the_cheapest": ([0.9, 0.8], [0.02, 0.1], [1.0, 2.0], 0.1),
    "a_wide_margin": ([0.1, 0.9], [0.05, 0.05], [1.0, 2.0], 10.0),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_draws_show(case):
    mean, sd, cost, within = CASES[case]
    law = cheapest(mean, sd, cost, within)
    np.testing.assert_allclose(law, drawn(mean, sd, cost, within), atol=3e-3)


@pytest.mark.parametrize("agents", [12, 40])
def test_it_is_what_draws_show_for_many_agents(agents):
    rng = np.random.default_rng(agents)
    mean, sd = rng.normal(0.7, 0.05, agents), 10 ** rng.uniform(-4, -1, agents)
    cost = rng.permutation(agents).astype(float)
    law = cheapest(mean, sd, cost, 0.03)
    np.testing.assert_allclose(law, drawn(mean, sd, cost, 0.03), atol=3e-3)


agents = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 1)), min_size=1, max_size=15
)


@settings(max_examples=100, deadline=None)
@given(agents, st.floats(0, 1))
def test_it_is_a_law(asked, within):
    mean, sd, cost = (np.array(values) for values in zip(*asked, strict=True))
    law = cheapest(mean, sd, cost, within)
    assert (law >= 0).all()
    assert law.sum() == pytest.approx(1.0, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(agents, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_margin_is_never_dearer(asked, one, other):
    mean, sd, cost = (np.array(values) for values in zip(*asked, strict=True))
    sd = np.maximum(sd, 1e-3)
    narrow, wide = sorted((one, other))
    spent = [cheapest(mean, sd, cost, within) @ cost for within in (narrow, wide)]
    assert spent[1] <= spent[0] + 2e-3


def test_every_agent_has_a_margin_of_its_own():
    mean, sd, cost = np.array([0.70, 0.72, 0.75, 0.71]), np.full(4, 0.02), np.array([2, 1, 4, 3.0])
    within = np.array([0.05, 0.0, 0.01, 0.1])
    law = probability_cheapest(mean, sd, cost, within)
    np.testing.assert_allclose(law, drawn(mean, sd, cost, within), atol=3e-3)


def test_what_is_cheap_is_tried_until_it_is_known():
    policy = AgentSelection(AgentSelectionOptions())
    laws = []
    for sd in (0.10, 0.01):
        asked = choice([0.6, 0.8], [sd, 0.01])
        known = np.ones(2)
        cost = Estimate(np.array([1.0, 9.0]), known, known, known, known, known)
        asked = replace(asked, estimates={"cost": cost})
        laws.append(policy.choose(asked, Utility(cheapest_within=0.1)))
    assert laws[0][0] > 0.1
    assert laws[1][0] < 1e-3


def test_without_a_margin_it_is_the_best():
    mean, sd = np.array([0.7, 0.75]), np.array([0.05, 0.02])
    law = cheapest(mean, sd, [2.0, 1.0], 0.0)
    np.testing.assert_allclose(law, probability_best(mean, sd))


def test_no_uncertainty_leaves_no_choice():
    mean, cost = np.array([0.7, 0.72, 0.8, 0.4]), np.array([2.0, 3.0, 9.0, 1.0])
    law = cheapest(mean, np.zeros(4), cost, 0.11)
    np.testing.assert_allclose(law, [1, 0, 0, 0], atol=1e-6)


def test_the_policy_cannot_be_thrifty_before_a_cost_is_known():
    asked = choice([0.70, 0.72], [0.02, 0.02])
    policy = AgentSelection(AgentSelectionOptions())
    thrifty = policy.choose(asked, Utility(cheapest_within=0.5))
    np.testing.assert_array_equal(thrifty, policy.choose(asked, Utility()))


def test_the_policys_shares_add_up_to_its_law():
    asked = choice([0.7, 0.75, 0.6], [0.05, 0.05, 0.1], executions=[900, 1_000, 2])
    policy = AgentSelection(AgentSelectionOptions())
    shares = policy.shares(asked, Utility())
    np.testing.assert_allclose(sum(shares.values()), policy.choose(asked, Utility()))
    assert shares["newcomers"].tolist() == [0, 0, 0.1]
