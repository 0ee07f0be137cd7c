"""
What another law of choice would have earned, estimated from decisions that were drawn.

Pure functions on arrays. A decision weighs w = target/logged probability of the
agent that was drawn; since each decision's law is known as a whole, so is what
its weight would be on average, whether heavy weights have occurred or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from olearn_core.statistics import FloatArray
from olearn_core.statistics.intervals import Z_95

ESTIMATORS = ("ips", "snips", "dr", "switch_dr")
CORRECTED = frozenset({"dr", "switch_dr"})
THRESHOLDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, inf)


@dataclass(frozen=True)
class Sample:
    """
    Decisions with their outcomes, arrays in the order of the decisions.

    Rows are padded with agents that neither law ever chooses, where there were
    fewer to choose from.

    :param logged: the law that was drawn from, shape (decisions, agents)
    :param target: the law that is evaluated, shape (decisions, agents)
    :param predicted: rewards expected before the outcome was known, shape (decisions, agents)
    :param drawn: place of the drawn agent, shape (decisions,)
    :param rewards: between 0 and 1, shape (decisions,)
    """

    logged: FloatArray
    target: FloatArray
    predicted: FloatArray
    drawn: NDArray[np.int64]
    rewards: FloatArray

    def __len__(self) -> int:
        return len(self.rewards)

    @cached_property
    def ratios(self) -> FloatArray:
        """Weight of each agent, had it been drawn; infinite where the log never draws it."""
        wanted = self.target > 0
        with np.errstate(divide="ignore"):
            return np.divide(self.target, self.logged, out=np.zeros_like(self.target), where=wanted)

    @cached_property
    def weights(self) -> FloatArray:
        """Weight of each decision, shape (decisions,)."""
        return self._of_drawn(self.ratios)

    @cached_property
    def residuals(self) -> FloatArray:
        """How far each reward is from what was expected, shape (decisions,)."""
        return self.rewards - self._of_drawn(self.predicted)

    @cached_property
    def modelled(self) -> FloatArray:
        """What was expected of a draw from the target, shape (decisions,)."""
        modelled: FloatArray = (self.target * self.predicted).sum(axis=1)
        return modelled

    @cached_property
    def squares(self) -> FloatArray:
        """Share of each agent in a decision's E[w^2] by the laws: target^2/logged."""
        wanted = self.target > 0
        return np.multiply(self.ratios, self.target, out=np.zeros_like(self.target), where=wanted)

    @property
    def mean_square(self) -> float:
        """Mean over decisions of E[w^2] by the laws."""
        return float(self.squares.sum()) / len(self)

    @cached_property
    def noise(self) -> float:
        """Mean squared residual under the target (self-normalised)."""
        total = self.weights.sum()
        return float((self.weights * self.residuals**2).sum() / total) if total else 1.0

    def spread(self, value: float) -> float:
        """Mean over decisions of E[w^2 (r - value)^2], by the laws and the expectations."""
        if not isfinite(self.mean_square):
            return inf
        factors = (self.predicted - value) ** 2 + self.noise
        return float((self.squares * factors).sum()) / len(self)

    def light(self, threshold: float) -> tuple[float, float]:
        """Return means over decisions of E[w^2] and of the target's share up to a weight."""
        ratios, squares, shares = self._ascending
        end = int(np.searchsorted(ratios, threshold, side="right"))
        return float(squares[end]) / len(self), float(shares[end]) / len(self)

    @cached_property
    def _ascending(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Weights that the target gives a share to, in order; running sums of both, from 0."""
        wanted = self.target > 0
        order = np.argsort(ratios := self.ratios[wanted])
        sums = (np.cumsum(values[wanted][order]) for values in (self.squares, self.target))
        squares, shares = (np.concatenate([[0.0], sum_]) for sum_ in sums)
        return ratios[order], squares, shares

    def _of_drawn(self, values: FloatArray) -> FloatArray:
        found: FloatArray = values[np.arange(len(self)), self.drawn]
        return found


@dataclass(frozen=True, slots=True)
class Estimated:
    """
    An estimate of the mean reward under the target.

    :param se: standard error
    :param effective_samples: effective sample size of the weights that are used
    """

    estimator: str
    value: float
    se: float
    effective_samples: float

    @property
    def is_corrected(self) -> bool:
        """Whether it is an expectation with a correction."""
        return self.estimator in CORRECTED

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - Z_95 * self.se

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + Z_95 * self.se


def estimates(sample: Sample) -> list[Estimated]:
    """Return the estimates of all four, in the order of ESTIMATORS; from two decisions on."""
    return [ips(sample), snips(sample), dr(sample), switch_dr(sample)]


def ips(sample: Sample) -> Estimated:
    """
    Inverse propensity score: the mean of w r (Horvitz & Thompson, JASA 1952). Unbiased.

    Its variance is that of the terms, or by the laws E[w^2 r^2] - value^2 where
    that is more: heavy weights that have not occurred do not make it small.
    """
    terms = sample.weights * sample.rewards
    value = float(terms.mean())
    by_laws = sample.spread(0.0) - value**2
    se = _se(_variance(terms), by_laws, len(sample))
    return Estimated("ips", value, se, effective(sample.weights))


def snips(sample: Sample) -> Estimated:
    """
    Self-normalised: sum of w r / sum of w (Swaminathan & Joachims, NeurIPS 2015).

    Slightly biased, much steadier than IPS. Standard error by the delta method:
    that of the mean of w (r - value), over the mean weight.
    """
    total = float(sample.weights.sum())
    if not total:
        return Estimated("snips", 0.0, inf, 0.0)
    value = float(sample.weights @ sample.rewards) / total
    squares = float(((sample.weights * (sample.rewards - value)) ** 2).mean())
    by_laws = sample.spread(value)
    se = _se(squares, by_laws, len(sample)) / (total / len(sample))
    return Estimated("snips", value, se, effective(sample.weights))


def dr(sample: Sample) -> Estimated:
    """
    Doubly robust: what was expected, corrected by w times the residual.

    Dudík, Langford & Li, ICML 2011. Unbiased, whatever was expected, for it was
    expected before the outcome came.
    """
    return _corrected("dr", sample, inf)


def switch_dr(sample: Sample) -> Estimated:
    """
    Doubly robust where weights are small, the expectation alone where they are not.

    Wang, Agarwal & Dudík, ICML 2017. The threshold is chosen as they propose, by
    the smallest sum of variance and squared bias, where the bias is bounded by
    the probability that the target gives to weights beyond it (rewards and
    expectations lie between 0 and 1). The standard error is the root of that
    sum: it holds whatever the expectations are worth.
    """
    heaviest = float(sample.ratios.max())
    tried = [threshold for threshold in THRESHOLDS if threshold < heaviest]
    found = [_corrected("switch_dr", sample, threshold) for threshold in (*tried, inf)]
    return min(found, key=lambda estimated: estimated.se)


def _corrected(name: str, sample: Sample, threshold: float) -> Estimated:
    weights = np.where(sample.weights <= threshold, sample.weights, 0.0)
    terms = sample.modelled + weights * sample.residuals
    mean_square, share = sample.light(threshold)
    by_laws = float(sample.modelled.var())
    by_laws += sample.noise * mean_square if isfinite(mean_square) else inf
    se, beyond = _se(_variance(terms), by_laws, len(sample)), max(0.0, 1.0 - share)
    return Estimated(name, float(terms.mean()), sqrt(se**2 + beyond**2), effective(weights))


def effective(weights: FloatArray) -> float:
    """Return the effective sample size (sum w)^2 / sum w^2 (Kish 1965); 0 of nothing."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _variance(terms: FloatArray) -> float:
    return float(terms.var(ddof=1)) if len(terms) > 1 else inf


def _se(drawn: float, by_laws: float, size: int) -> float:
    return sqrt(max(drawn, by_laws, 0.0) / size)
