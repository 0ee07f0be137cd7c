"""The older formula, and the incomplete beta function it needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import beta

from olearn_core import ModelOptions, Query, Sums, Utility
from olearn_plugins.betas import Betas
from olearn_plugins.classic import Classic
from tests.plugins.synthetic import NAMES, choice, names

parameters = st.floats(0, 6).map(lambda power: 10.0**power)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(parameters, parameters), min_size=1, max_size=8))
def test_betas_are_the_regularised_incomplete_beta_function(laws):
    a, b = np.array(laws).T
    x = beta.ppf(np.linspace(1e-4, 1 - 1e-4, 200)[:, None], a, b)
    cdf, density = Betas.of(a, b)(x)
    np.testing.assert_allclose(cdf, betainc(a, b, x), atol=2e-6)
    sd = beta.std(a, b)
    np.testing.assert_allclose(density * sd, beta.pdf(x, a, b) * sd, atol=2e-4)


def test_betas_end_where_shares_end():
    cdf, density = Betas.of(np.array([2.0, 50.0]), np.array([3.0, 1.0]))(
        np.array([[-1.0, 0.0], [1.0, 2.0]])
    )
    np.testing.assert_allclose(cdf, [[0.0, 0.0], [1.0, 1.0]], atol=1e-6)
    assert np.isfinite(density).all()


def known(executions, success, latency_ms=0.0):
    """Return sums of these cells, shape (tasks, agents)."""
    executions = np.asarray(executions, dtype=np.float64)
    values = np.zeros((*executions.shape, len(NAMES)))
    columns = {
        "executions": executions,
        "success": 1_000.0 * np.asarray(success),
        "latency_n": executions,
        "latency": 10.0 * executions * np.asarray(latency_ms),
    }
    for name, column in columns.items():
        values[:, :, NAMES.index(name)] = column
    tasks, agents = executions.shape
    return Sums(names("task", tasks), names("agent", agents), NAMES, values)


def law(sums, task_type="task-0", agents=None):
    asked = choice(np.zeros(len(sums.agents)), np.zeros(len(sums.agents)), sums=sums)
    query = Query(task_type, sums.agents if agents is None else agents)
    asked = type(asked)(query, {}, asked.scores, asked.executions, sums)
    return Classic(ModelOptions()).choose(asked, Utility())


def drawn(executions, success, latency_ms, task=0, draws=400_000):
    """Return how often each agent's score is the largest, by draws."""
    n, s = np.asarray(executions, dtype=np.float64), np.asarray(success, dtype=np.float64)
    rng = np.random.default_rng(0)
    rate = np.where(n[task] > 0, s[task] / np.maximum(n[task], 1), 0.5)
    theta = rng.beta(1 + s.sum(0), 1 + (n - s).sum(0), (draws, n.shape[1]))
    seconds = (n * latency_ms).sum(0) / np.maximum(n.sum(0), 1) / 1_000
    best = ((0.6 * theta + 0.4 * rate) / (1 + seconds)).argmax(axis=1)
    return np.bincount(best, minlength=n.shape[1]) / draws


CASES = {
    "few_outcomes": ([[3, 4, 0], [2, 5, 1]], [[2, 4, 0], [2, 2, 1]], 0.0),
    "latency_counts": ([[50, 50, 50]], [[40, 45, 30]], np.array([[300.0, 900.0, 100.0]])),
    "never_failed": ([[9, 9, 30]], [[9, 9, 20]], 0.0),
    "partial_successes": ([[20, 21]], [[12.5, 13.0]], 0.0),
    "much_is_known": ([[100_000, 100_000]], [[70_000, 70_100]], 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_draws_do(case):
    cells = CASES[case]
    np.testing.assert_allclose(law(known(*cells)), drawn(*cells), atol=4e-3)


def test_who_cannot_win_is_not_chosen():
    found = law(known([[1_000, 1_000]], [[950, 100]]))
    assert found.tolist() == [1.0, 0.0]


def test_an_unknown_task_type_has_the_rate_one_half():
    found = law(known([[500, 500]], [[400, 300]]), "never heard of")
    assert found[0] > 0.999


def test_an_unknown_agent_is_drawn_from_the_uniform_law():
    sums = known([[400, 400]], [[200, 100]])
    found = law(sums, agents=(*sums.agents, "new"))
    assert found[2] == pytest.approx(0.5, abs=0.03)
    assert found.sum() == pytest.approx(1.0)


def test_nothing_is_known_of_anybody():
    empty = Sums((), (), NAMES, np.zeros((0, 0, len(NAMES))))
    np.testing.assert_allclose(law(empty, agents=names("agent", 4)), 0.25, atol=1e-6)


def test_permuted_agents_have_a_permuted_law():
    n, s = np.array([[9, 30, 4, 12]]), np.array([[7, 22, 4, 9]])
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        law(known(n[:, order], s[:, order])), law(known(n, s))[order], atol=1e-5
    )
