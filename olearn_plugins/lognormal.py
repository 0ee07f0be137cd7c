"""
Positive quantities with a long tail: latency and cost.

Single outcomes are taken as lognormal, and what policies compare are the means
of logarithms, which a few slow answers hardly move. Shown is the arithmetic
mean, from plain sums; how far it can be off follows from the sums of logarithms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from olearn_core import FloatArray
from olearn_plugins.estimates import Z90, Grid
from olearn_plugins.pooling import Moments, Prior, pool

PRIOR = Prior(mean=7.0, variance=1.0)
SPREAD_PRIOR = 0.3
CELL_WEIGHT = 10.0
AGENT_WEIGHT = 50.0
SKEW_WEIGHT = 100.0
LARGEST_LOG_VARIANCE = 5.0
NEXT_TO_LEVEL = 1e-9


@dataclass(frozen=True, slots=True)
class LogSums:
    """
    Weighted sums of x and of y = ln x, each of shape (tasks, agents).

    :param logs: of y
    :param total: sum of x
    """

    logs: Moments
    total: FloatArray

    def padded(self) -> LogSums:
        """Return the sums with an empty task type and an empty agent at the end."""
        return LogSums(self.logs.padded(), np.pad(self.total, (0, 1)))

    @property
    def log_mean(self) -> FloatArray:
        """
        The ln of each cell's mean of x, 0 where it is empty.

        Never below the mean of ln x, which it passes but for rounding.
        """
        known = self.logs.n > 0
        mean = np.where(known, self.total, 1.0) / np.where(known, self.logs.n, 1.0)
        return np.maximum(np.log(np.maximum(mean, 1.0)), self.logs.mean)


@dataclass(frozen=True, slots=True)
class _Tails:
    """
    How single outcomes spread, by cell.

    :param log_variance: of ln x
    :param relative_variance: of x / E x
    """

    log_variance: FloatArray
    relative_variance: FloatArray


def lognormal_grid(sums: LogSums, unit: float) -> Grid:
    """
    Return the estimates of E x.

    :param unit: steps of x in one unit of the estimates
    """
    cells = sums.padded()
    tails = _tails(cells)
    pooled = pool(cells.logs, PRIOR)
    centre, variance, effective_n, parts = _log_expectation(cells, tails)
    reach = _student90(CELL_WEIGHT + np.maximum(0.0, cells.logs.n - 1.0)) * np.sqrt(variance)
    mean = np.exp(centre) / unit
    contrast_sd = np.sqrt(pooled.contrast_variance)
    below_one_step = (cells.logs.n > 0) & (cells.total < cells.logs.n)
    return Grid.lognormal(
        mean,
        mean * np.sqrt(variance),
        mean * contrast_sd,
        effective_n,
        np.where(below_one_step, 0.0, mean * np.exp(-reach)),
        mean * np.exp(reach),
        pooled.mean,
        np.sqrt(tails.log_variance),
        contrast_sd,
    ).with_parts(**_on_the_scale_of_x(parts, centre, unit))


def _on_the_scale_of_x(
    parts: Mapping[str, FloatArray], centre: FloatArray, unit: float
) -> dict[str, FloatArray]:
    """
    Return parts of ln E x as parts of E x.

    Each is stretched by the logarithmic mean of E x and the common level, their
    difference by that of their logarithms, so that the parts still add up (the
    Divisia decomposition: Ang, "The LMDI approach to decomposition analysis", 2005).
    """
    above = np.asarray(sum(parts.values()))
    level = np.exp(centre - above) / unit
    flat = np.abs(above) < NEXT_TO_LEVEL
    stretch = level * np.where(flat, 1.0, np.expm1(above) / np.where(flat, 1.0, above))
    return {name: stretch * part for name, part in parts.items()}


def _tails(cells: LogSums) -> _Tails:
    logs = cells.logs
    squares = logs.squares(logs.mean)
    freedom = np.maximum(0.0, logs.n - 1.0)
    common = (squares.sum() + 2.0 * SPREAD_PRIOR) / (freedom.sum() + 2.0)
    agent = (squares.sum(axis=0) + AGENT_WEIGHT * common) / (freedom.sum(axis=0) + AGENT_WEIGHT)
    variance = (squares + CELL_WEIGHT * agent) / (freedom + CELL_WEIGHT)
    log_ratio = variance * _excess(_skew(cells, squares, freedom, float(common)))
    return _Tails(variance, np.expm1(np.minimum(log_ratio, LARGEST_LOG_VARIANCE)))


def _skew(cells: LogSums, squares: FloatArray, freedom: FloatArray, common: float) -> FloatArray:
    """
    Return by agent how far ln E x lies above E ln x, in halves of ln x's variance.

    That is 1 for a lognormal law, more for longer tails, less where some x are
    next to nothing. An agent's own ratio is shrunk towards the mean of all.
    """
    gaps = 2.0 * (cells.logs.n * (cells.log_mean - cells.logs.mean)).sum(axis=0)
    prior = 5.0 * common
    own = (gaps + prior) / (squares.sum(axis=0) + prior)
    weight = freedom.sum(axis=0)
    mean = (weight @ own + 1.0) / (weight.sum() + 1.0)
    skew: FloatArray = (weight * own + SKEW_WEIGHT * mean) / (weight + SKEW_WEIGHT)
    return skew


def _excess(skew: FloatArray) -> FloatArray:
    """
    Return ln(1 + Var x / (E x)^2) in units of ln x's variance, from the skew ratio.

    With the cumulant function of ln x taken as a cubic, K(2) - 2 K(1) gives
    3 r - 2. Not below r^2, the bound of Cauchy and Schwarz on Var x by the
    covariance of x and ln x, with K'(1) by the trapezoid rule.
    """
    return np.maximum(3.0 * skew - 2.0, skew**2)


def _log_expectation(
    cells: LogSums, tails: _Tails
) -> tuple[FloatArray, FloatArray, FloatArray, dict[str, FloatArray]]:
    """Return mean and variance of the belief about ln E x, the outcomes behind it, its parts."""
    n = cells.logs.n
    known = n > 0
    noise = np.log1p(tails.relative_variance / np.where(known, n, 1.0))
    observed = np.where(known, cells.log_mean + 0.5 * noise, 0.0)
    spread = n * (observed**2 + tails.relative_variance)
    pooled = pool(Moments(n, n * observed, spread), PRIOR)
    own, others = np.where(known, 1.0 / noise, 0.0), 1.0 / pooled.others_variance
    centre = (own * observed + others * pooled.others_mean) / (own + others)
    effective_n = np.minimum(n.sum(), n + tails.relative_variance * others)
    return centre, 1.0 / (own + others), effective_n, pooled.parts(centre)


def _student90(freedom: FloatArray) -> FloatArray:
    """Return Student's t, 95 % quantile (Abramowitz and Stegun 26.7.5, to 2e-3 from 10)."""
    z = Z90
    first, second = (z**3 + z) / 4.0, (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    return z + first / freedom + second / freedom**2
