"""
Who is best? The law of the largest of independent random variables.

P(k is largest) is the integral of f_k(x) times the product of the others'
distribution functions. With h = f/F and G the product of all F, that is the
integral of h_k(x) G(x), so that all agents share G and the nodes.

The integral over a panel of the sum of all integrands is G's increase, known
exactly. So each panel checks itself, and only those that fail are halved.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import numpy as np

from olearn_core import FloatArray

logger = logging.getLogger(__name__)

Evaluate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
TOLERANCE = 2e-6
SUM_TOLERANCE = 1e-4
MOST_HALVINGS = 40
MOST_PANELS = 1_024
REACH = 6.0
SMALLEST_SD = 1e-7


def probability_best(mean: FloatArray, sd: FloatArray) -> FloatArray:
    """
    Return P(k has the largest value) under independent normals.

    Ties of values known exactly are shared. The error is below 5e-4.

    :param mean: shape (agents,), at least one
    :param sd: shape (agents,), 0 for what is known exactly
    """
    low, high = _window(mean, sd)
    sd = np.maximum(sd, SMALLEST_SD * (high - low))
    low, high = _window(mean, sd)
    contenders = mean + REACH * sd >= low
    law = np.zeros(len(mean))
    if high <= low or contenders.sum() == 1:
        law[contenders] = 1.0 / contenders.sum()
        return law
    place = (mean[contenders] - low) / (high - low)
    scale = sd[contenders] / (high - low)

    def evaluate(points: FloatArray) -> tuple[FloatArray, FloatArray]:
        log_cdf, hazard = normal((points[:, None] - place) / scale)
        return log_cdf, hazard / scale

    law[contenders] = largest(evaluate, _edges(place, scale))
    return law


def _window(mean: FloatArray, sd: FloatArray) -> tuple[float, float]:
    """Return between which values the largest lies, but for 1e-9."""
    return float((mean - REACH * sd).max()), float((mean + REACH * sd).max())


def largest(evaluate: Evaluate, edges: FloatArray) -> FloatArray:
    """
    Return P(k is largest) by Gauss-Legendre quadrature on panels.

    Always a law: where the quadrature fails, that is logged and chance mixed in.

    :param evaluate: from points (points,) to ln F and f/F, both (points, agents)
    :param edges: ends of the panels, increasing, around all that matters
    """
    low, high = edges[:-1], edges[1:]
    done: list[FloatArray] = []
    for _ in range(MOST_HALVINGS):
        shares, error = _panels(evaluate, low, high)
        good = error <= TOLERANCE
        if np.count_nonzero(~good) > MOST_PANELS:
            good[:] = True  # it does not settle; the check of the sum tells
        done.append(shares[good])
        low, high = _halved(low[~good], high[~good])
        if not low.size:
            break
    else:
        done.append(_panels(evaluate, low, high)[0])
    law = np.concatenate(done).sum(axis=0)
    return _checked(law)


def _checked(law: FloatArray) -> FloatArray:
    """
    Return the law with a sum of exactly 1.

    Where the raw sum is far off, the quadrature has failed. What is left, mixed
    with chance, is not P(best) any more, but it is what is drawn from and logged,
    so propensities stay true.
    """
    total = float(law.sum())
    if abs(total - 1.0) <= SUM_TOLERANCE:
        sound: FloatArray = law / total
        return sound
    logger.warning("the law of choice adds up to %g instead of 1, chance is mixed in", total)
    rest: FloatArray = np.nan_to_num(law, nan=0.0, posinf=0.0, neginf=0.0).clip(0.0, 1.0)
    rest = rest + 1.0 / len(law)
    mixed: FloatArray = rest / rest.sum()
    return mixed


def _halved(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return twice as many panels over the same points."""
    middle = 0.5 * (low + high)
    return np.concatenate([low, middle]), np.concatenate([middle, high])


def _panels(evaluate: Evaluate, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each panel's part of the law, shape (panels, agents), and its error."""
    half = 0.5 * (high - low)
    nodes = (low + half)[:, None] + half[:, None] * NODES
    log_cdf, hazard = evaluate(np.concatenate([nodes.ravel(), low, high]))
    product = np.exp(log_cdf.sum(axis=1))
    inner = nodes.size
    weights = product[:inner].reshape(nodes.shape) * (half[:, None] * WEIGHTS)
    parts = hazard[:inner].reshape(*nodes.shape, -1)
    shares: FloatArray = np.matmul(weights[:, None, :], parts)[:, 0, :]
    at_low, at_high = product[inner:].reshape(2, -1)
    return shares, np.abs(shares.sum(axis=1) - (at_high - at_low))


def _edges(place: FloatArray, scale: FloatArray) -> FloatArray:
    """Break the window 0...1 around the narrowest agent and around the leader."""
    edges = {0.0, 1.0}
    for agent in (int(scale.argmin()), int(place.argmax())):
        reach = REACH * scale[agent]
        edges.update((float(place[agent] - reach), float(place[agent] + reach)))
    return np.array(sorted(edge for edge in edges if 0.0 <= edge <= 1.0))


STEPS = 256
LOWEST, HIGHEST = -9, 8


def _tabulate() -> tuple[FloatArray, FloatArray]:
    z = np.arange(LOWEST * STEPS, HIGHEST * STEPS + 1) / STEPS
    cdf = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z])
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return np.log(cdf), density / cdf


LOG_CDF, HAZARD = _tabulate()


def normal(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Return ln F(z) and f(z)/F(z) of the standard normal, to 1e-6 for z >= -9.

    The second is the first's derivative and has itself the derivative
    -h (z + h), so that a coarse table and its Taylor polynomial do.
    """
    z = np.clip(z, LOWEST, HIGHEST)
    nearest = np.rint(z * STEPS)
    place = nearest.astype(np.intp) - LOWEST * STEPS
    step = z - nearest / STEPS
    hazard = HAZARD.take(place)
    slope = -hazard * (z - step + hazard)
    rise = step * slope
    return LOG_CDF.take(place) + step * (hazard + 0.5 * rise), hazard + rise
