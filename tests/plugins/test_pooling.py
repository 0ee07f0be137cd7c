"""Pooling: what agents and task types lend each other."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_plugins.pooling import Moments, Prior, pool

PRIOR = Prior(0.5, 0.15)


def binary(n, successes):
    n, successes = np.asarray(n, dtype=np.float64), np.asarray(successes, dtype=np.float64)
    return Moments.of(n, successes, successes)


def drawn(seed, tasks, agents, n, sd_agent, sd_interaction, sd_noise=0.3):
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 0.2, (tasks, 1)) + rng.normal(0, sd_agent, (1, agents))
    mean = 0.5 + mean + rng.normal(0, sd_interaction, (tasks, agents))
    y = mean[..., None] + rng.normal(0, sd_noise, (tasks, agents, n))
    return Moments(np.full((tasks, agents), float(n)), y.sum(-1), (y**2).sum(-1))


def test_components_are_found_again():
    pooled = pool(drawn(3, tasks=30, agents=40, n=30, sd_agent=0.2, sd_interaction=0.1), PRIOR)
    assert np.sqrt(pooled.components.agent) == pytest.approx(0.2, rel=0.3)
    assert np.sqrt(pooled.components.interaction).mean() == pytest.approx(0.1, rel=0.15)
    assert np.sqrt(pooled.components.noise) == pytest.approx(0.3, rel=0.05)


def test_agents_that_behave_alike_everywhere_lend_more_than_specialists():
    def unseen_variance(sd_interaction):
        moments = drawn(4, 12, 12, 20, 0.15, sd_interaction)
        n = moments.n.copy()
        n[0, 0] = 0.0
        return pool(Moments.of(n, moments.s1, moments.s2), PRIOR).contrast_variance[0, 0]

    assert unseen_variance(0.02) < 0.3 * unseen_variance(0.2)


def test_a_task_type_on_which_the_usual_order_does_not_hold_is_told_by_its_own_outcomes():
    """On the last one the best have failed, so what the worst did there counts for more."""
    n = np.full((6, 4), 200.0)
    rates = np.array([[0.9, 0.85, 0.8, 0.3]] * 5 + [[0.1, 0.2, 0.7, 0.95]])
    n[5] = [6.0, 6.0, 200.0, 3.0]
    pooled = pool(binary(n, n * rates), PRIOR)
    usual = pooled.components.interaction[:5].mean()
    assert pooled.components.interaction[5] > 5 * usual
    assert pooled.contrast[5, 3] > pooled.contrast[5, 1]


def test_an_unseen_cell_takes_after_its_agent_and_its_task_type():
    n = np.full((4, 3), 50.0)
    rates = np.array([[0.9, 0.6, 0.3]] * 4) * np.array([[1.0], [0.9], [0.8], [0.7]])
    n[0, 0] = 0.0
    mean = pool(binary(n, n * rates), PRIOR).mean
    assert mean[0, 0] > mean[0, 1] > mean[0, 2]
    assert mean[0, 0] > mean[3, 0]


def test_much_evidence_outweighs_the_pool():
    n = np.full((3, 3), 10_000.0)
    rates = np.array([[0.1, 0.9, 0.5], [0.9, 0.1, 0.5], [0.2, 0.3, 0.99]])
    pooled = pool(binary(n, n * rates), PRIOR)
    np.testing.assert_allclose(pooled.mean, rates, atol=0.002)
    assert (np.sqrt(pooled.contrast_variance) < 0.01).all()


def test_others_say_nothing_of_what_only_the_cell_knows():
    n = np.full((5, 5), 40.0)
    rates = np.full((5, 5), 0.6)
    rates[2, 2] = 0.1
    others = pool(binary(n, n * rates), PRIOR).others_mean
    assert others[2, 2] == pytest.approx(0.6, abs=0.06)


@pytest.mark.parametrize("n", [0.0, 1.0, 1e6, 1e9])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4)])
def test_extremes_are_finite(n, rate, shape):
    cells = np.full(shape, n)
    pooled = pool(binary(cells, cells * rate).padded(), PRIOR)
    for values in (pooled.mean, pooled.contrast_variance, pooled.others_mean):
        assert np.isfinite(values).all()
    assert (pooled.contrast_variance > 0).all()
    assert (pooled.others_variance > 0).all()


def test_one_giant_cell_among_empty_ones():
    n = np.zeros((6, 6))
    n[1, 1] = 1e9
    pooled = pool(binary(n, n * 0.5).padded(), PRIOR)
    assert pooled.mean[1, 1] == pytest.approx(0.5, abs=1e-3)
    assert np.isfinite(pooled.others_variance).all()


def test_what_is_rolled_back_to_nothing_counts_as_nothing():
    moments = Moments.of(np.array([[1e-9, -2.0]]), np.array([[5.0, -1.0]]), np.array([[1.0, 3.0]]))
    for sums in (moments.n, moments.s1, moments.s2):
        assert not sums.any()
