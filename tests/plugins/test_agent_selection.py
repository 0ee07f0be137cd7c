"""The policy: from scores to a law of choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from olearn_core import Utility
from olearn_plugins.agent_selection import AgentSelection, AgentSelectionOptions
from olearn_plugins.law import probability_best
from tests.plugins.synthetic import NAMES, choice, nothing_known


def choose(asked, **options):
    return AgentSelection(AgentSelectionOptions(**options)).choose(asked, Utility())


def active(tasks, agents=3):
    """Return sums in which so many task types have outcomes, and one has none."""
    sums = nothing_known(tasks + 1, agents)
    sums.values[:tasks, 0, NAMES.index("executions")] = 1.0
    return sums


scores = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 0.5), st.integers(0, 200)), min_size=1, max_size=20
)


@settings(max_examples=100, deadline=None)
@given(scores)
def test_it_returns_a_law(asked):
    mean, sd, executions = zip(*asked, strict=True)
    law = choose(choice(mean, sd, executions))
    assert law.shape == (len(mean),)
    assert (law >= 0).all()
    assert law.sum() == pytest.approx(1.0, abs=1e-9)


def test_the_better_the_likelier():
    law = choose(choice([0.7, 0.8, 0.75], [0.05, 0.05, 0.05]))
    assert law[1] > law[2] > law[0]


def test_it_explores_less_than_all_of_the_variance():
    mean, sd = np.array([0.7, 0.75, 0.8]), np.full(3, 0.1)
    law = choose(choice(mean, sd, sums=active(48)))
    factor = 1.5 / 3 * np.sqrt(12 / 48)
    np.testing.assert_allclose(law, probability_best(mean, np.sqrt(factor) * sd))


def test_one_task_type_and_two_agents_are_explored_as_thompson_would():
    mean, sd = np.array([0.7, 0.75]), np.array([0.1, 0.02])
    law = choose(choice(mean, sd, sums=active(1)))
    np.testing.assert_allclose(law, probability_best(mean, sd))


def test_a_newcomer_not_yet_tried_gets_its_share_whatever_is_estimated():
    asked = choice([0.9, 0.2, 0.8], [0.01, 0.01, 0.01], [1_000, 4, 1_000])
    assert choose(asked)[1] == pytest.approx(0.10, abs=1e-6)
    assert choose(asked, newcomer_share=0.3)[1] == pytest.approx(0.30, abs=1e-6)
    assert choose(asked, newcomer_share=0.0)[1] == pytest.approx(0.0, abs=1e-6)


def test_where_all_is_new_nobody_is_a_newcomer():
    few = choice([0.9, 0.2, 0.8], [0.01, 0.01, 0.01], [60, 4, 0])
    assert choose(few)[1] == pytest.approx(0.0, abs=1e-6)
    assert choose(few, newcomer_history=20)[1] == pytest.approx(0.05, abs=1e-6)


def test_newcomers_share_their_share():
    law = choose(choice([0.9, 0.2, 0.1], [0.01, 0.01, 0.01], [1_000, 0, 0]))
    np.testing.assert_allclose(law, [0.90, 0.05, 0.05], atol=1e-6)


def test_a_newcomer_is_helped_until_it_is_known():
    def probability(executions, mean=0.88):
        return choose(choice([0.9, mean], [0.001, 0.03], [1_000, executions]))[1]

    assert probability(49) > probability(50) + 0.05
    assert probability(20, mean=0.5) == pytest.approx(0.0, abs=1e-6)


def test_where_all_are_new_nobody_is_a_newcomer():
    mean, sd = [0.5, 0.6], [0.2, 0.2]
    few, many = (choose(choice(mean, sd, [n, n])) for n in (3, 1_000))
    np.testing.assert_allclose(few, many)


def test_alone_it_is_chosen():
    assert choose(choice([0.4], [0.1], [0])).tolist() == [1.0]


@pytest.mark.parametrize(
    "wrong", [{"curiosity": 0}, {"newcomer_share": 1.0}, {"newcomer_share": -0.1}, {"greed": 1}]
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        AgentSelectionOptions(**wrong)
