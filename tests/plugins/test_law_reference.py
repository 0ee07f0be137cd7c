"""The law against an adaptive reference integral over a thousand posteriors, and against draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import log_ndtr

from olearn_plugins.law import probability_best

ACCURACY = 5e-4
TOLERANCE = 1e-8
POSTERIORS = 1_000
DRAWS = 1_000_000

Posterior = tuple[np.ndarray, np.ndarray]
COARSE, FINE = (np.polynomial.legendre.leggauss(nodes) for nodes in (12, 25))


def reference(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """
    P(best) by adaptive quadrature with the exact normal law, to a tolerance of 1e-8.

    Agents that are known exactly are point masses; the best of them share what
    no other agent takes.
    """
    known = sd == 0
    law = np.zeros(len(mean))
    top = mean[known].max(initial=-np.inf)
    if not known.all():
        law[~known] = _integrals(mean[~known], sd[~known], top)
    if known.any():
        ties = known & (mean == top)
        law[ties] = (1.0 - law.sum()) / ties.sum()
    return law


def _integrals(mean: np.ndarray, sd: np.ndarray, top: float) -> np.ndarray:
    spread = np.array([-9, -6, -4, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 6, 9])
    low = max(top, (mean - 9 * sd).max())
    high = (mean + 9 * sd).max()
    edges = np.unique((mean[:, None] + sd[:, None] * spread).ravel())
    edges = np.concatenate([[low], edges[(edges > low) & (edges < high)], [max(low, high)]])
    low, high = edges[:-1], edges[1:]
    law = np.zeros(len(mean))
    for _ in range(60):
        coarse, fine = (_panels(mean, sd, low, high, rule) for rule in (COARSE, FINE))
        good = np.abs(coarse - fine).max(axis=1) <= TOLERANCE / 100
        law += fine[good].sum(axis=0)
        low, high = low[~good], high[~good]
        if not low.size:
            return law
        middle = 0.5 * (low + high)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    raise AssertionError("the reference does not settle")


def _panels(mean, sd, low, high, rule) -> np.ndarray:
    """Return each panel's part of every agent's integral, shape (panels, agents)."""
    nodes, weights = rule
    half = 0.5 * (high - low)
    x = (low + half)[:, None] + half[:, None] * nodes
    z = (x.reshape(-1, 1) - mean) / sd
    cdf = log_ndtr(z)
    others = cdf.sum(axis=1, keepdims=True) - cdf
    density = np.exp(others - 0.5 * z**2) / (np.sqrt(2 * np.pi) * sd)
    return np.einsum("pn,pnk->pk", half[:, None] * weights, density.reshape(*x.shape, -1))


# ---- posteriors as fleets have them, and as they should not


def usual(rng: np.random.Generator) -> Posterior:
    agents = int(rng.integers(2, 13))
    return rng.normal(0.7, 0.1, agents), rng.uniform(0.005, 0.1, agents)


def one_cold_among_narrow(rng: np.random.Generator) -> Posterior:
    agents = int(rng.integers(3, 10))
    mean, sd = rng.normal(0.7, 0.02, agents), 10 ** rng.uniform(-4, -2.5, agents)
    mean[0], sd[0] = 0.5, 0.5
    return mean, sd


def a_million_observations(rng: np.random.Generator) -> Posterior:
    agents = int(rng.integers(2, 10))
    share = 0.7 + rng.uniform(0, 3e-3, agents)
    return share, np.sqrt(share * (1 - share) / 1e6)


def scales_apart(rng: np.random.Generator) -> Posterior:
    agents = int(rng.integers(2, 10))
    return rng.uniform(-1, 1, agents), 10 ** rng.uniform(-9, 1, agents)


def equal(rng: np.random.Generator) -> Posterior:
    agents = int(rng.integers(2, 30))
    return np.full(agents, rng.normal()), np.full(agents, 10 ** rng.uniform(-6, 0))


def some_known(rng: np.random.Generator) -> Posterior:
    mean, sd = usual(rng)
    return np.round(mean, 1), np.where(rng.random(len(sd)) < 0.4, 0.0, sd)


def one(rng: np.random.Generator) -> Posterior:
    return rng.normal(size=1), 10 ** rng.uniform(-9, 1, 1)


def two(rng: np.random.Generator) -> Posterior:
    return rng.normal(0, 0.1, 2), 10 ** rng.uniform(-5, 0, 2)


def hopeless(rng: np.random.Generator) -> Posterior:
    mean, sd = usual(rng)
    mean[1:] -= rng.uniform(0.2, 5.0)
    return mean, sd


KINDS: tuple[Callable[[np.random.Generator], Posterior], ...] = (
    usual,
    one_cold_among_narrow,
    a_million_observations,
    scales_apart,
    equal,
    some_known,
    one,
    two,
    hopeless,
)
EACH = POSTERIORS // len(KINDS) + 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_law_is_the_integral(kind: Callable[[np.random.Generator], Posterior]) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(EACH):
        mean, sd = kind(rng)
        expected = reference(mean, sd)
        assert expected.sum() == pytest.approx(1.0, abs=1e-7)
        np.testing.assert_allclose(probability_best(mean, sd), expected, atol=ACCURACY)


@pytest.mark.parametrize("seed", range(4))
def test_the_law_of_200_agents_is_the_integral(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean, sd = rng.normal(0.7, 0.05, 200), 10 ** rng.uniform(-3, -1, 200)
    mean[::20], sd[::20] = 0.5, 0.3
    np.testing.assert_allclose(probability_best(mean, sd), reference(mean, sd), atol=ACCURACY)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_million_draws_win_as_often_as_the_law_says(
    kind: Callable[[np.random.Generator], Posterior],
) -> None:
    """Within five of their own standard errors; ties are broken evenly."""
    rng = np.random.default_rng(1_000 + KINDS.index(kind))
    mean, sd = kind(rng)
    law = probability_best(mean, sd)
    share = np.zeros(len(mean))
    for _ in range(20):
        drawn = mean + sd * rng.standard_normal((DRAWS // 20, len(mean)))
        best = drawn == drawn.max(axis=1, keepdims=True)
        share += (best / best.sum(axis=1, keepdims=True)).sum(axis=0) / DRAWS
    error = np.sqrt(law * (1.0 - law) / DRAWS)
    assert (np.abs(share - law) <= 5.0 * error + 5.0 / DRAWS).all()
