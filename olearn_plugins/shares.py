"""Expectations of outcomes between 0 and 1: success rates and mean quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olearn_core import FloatArray
from olearn_plugins.estimates import Z90, Grid
from olearn_plugins.pooling import Moments, Pooled, Prior, pool

PRIOR = Prior(mean=0.5, variance=0.15)
EDGE = 0.01
LEAST_STRENGTH = 0.1


@dataclass(frozen=True, slots=True)
class _Beliefs:
    """
    A beta law of each cell's expectation, in outcomes that are 0 or 1.

    :param pooled: strength of what other cells say
    :param pooled_mean: what they say
    :param own: the cell's outcomes, counted as outcomes that are 0 or 1
    :param own_mean: their mean
    """

    pooled: FloatArray
    pooled_mean: FloatArray
    own: FloatArray
    own_mean: FloatArray

    @property
    def strength(self) -> FloatArray:
        return self.pooled + self.own

    @property
    def mean(self) -> FloatArray:
        total: FloatArray = self.pooled * self.pooled_mean + self.own * self.own_mean
        return total / self.strength


def share_grid(moments: Moments) -> Grid:
    """Return the estimates of a quantity between 0 and 1."""
    cells = moments.padded()
    pooled = pool(cells, PRIOR)
    dispersion = _dispersion(cells)
    beliefs = _beliefs(cells, pooled, dispersion)
    low, high = _interval(beliefs)
    return Grid.of(
        beliefs.mean,
        np.sqrt(beliefs.mean * (1.0 - beliefs.mean) / (beliefs.strength + 1.0)),
        np.sqrt(pooled.contrast_variance),
        np.minimum(cells.n.sum(), cells.n + beliefs.pooled * dispersion),
        low,
        high,
    ).with_parts(**pooled.parts(beliefs.mean))


def _dispersion(cells: Moments) -> FloatArray:
    """
    Return each task type's noise as a share of that of outcomes 0 or 1, (tasks, 1).

    Graded outcomes vary less than mean * (1 - mean), so each tells more.
    """
    largest = (cells.n * cells.mean * (1.0 - cells.mean)).sum(axis=1)
    squares = cells.squares(cells.mean).sum(axis=1)
    share: FloatArray = ((squares + 1.0) / (largest + 1.0))[:, None]
    return np.minimum(share, 1.0)


def _beliefs(cells: Moments, pooled: Pooled, dispersion: FloatArray) -> _Beliefs:
    """
    Match what other cells tell with a beta law and add the cell's own outcomes.

    A beta's variance is m (1 - m) / (strength + 1). The pooled variance is one for
    all means, so it is matched at their usual m (1 - m): shares near 0 or 1 differ
    less from cell to cell than those near a half.
    """
    mean = np.clip(pooled.others_mean, EDGE, 1.0 - EDGE)
    usual = ((cells.n * mean * (1.0 - mean)).sum() + 0.25) / (cells.n.sum() + 1.0)
    strength = usual / pooled.others_variance - 1.0
    return _Beliefs(
        pooled=np.maximum(strength, LEAST_STRENGTH),
        pooled_mean=mean,
        own=cells.n / dispersion,
        own_mean=cells.mean,
    )


def _interval(beliefs: _Beliefs) -> tuple[FloatArray, FloatArray]:
    """
    Return Wilson's 90 % score interval, which keeps its level near 0 and 1.

    Unanimous outcomes that outweigh the pooled ones leave their end open (Brown,
    Cai and DasGupta, "Interval Estimation for a Binomial Proportion", 2001).
    """
    mean, strength = beliefs.mean, beliefs.strength
    bend = Z90**2 / strength
    centre = mean + 0.5 * bend
    reach = np.sqrt(bend * (mean * (1.0 - mean) + 0.25 * bend))
    decided = beliefs.own >= beliefs.pooled
    low = np.where(decided & (beliefs.own_mean <= 0.0), 0.0, (centre - reach) / (1.0 + bend))
    high = np.where(decided & (beliefs.own_mean >= 1.0), 1.0, (centre + reach) / (1.0 + bend))
    return low, high
