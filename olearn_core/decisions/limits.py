"""
Limits: agents that are too likely to break one are not drawn.

A single latency or cost x is lognormal with uncertain mu, so that

    P(x <= L) = Phi((ln L - mu) / sqrt(sigma^2 + s^2)),

s being the deviation of mu. Its contrast deviation leaves out what all agents
share, so s is at least the relative deviation of the mean, which has it.

Success and quality are limited as expectations m: P(m >= L) by Wilson's score,
Phi((m - L) / sqrt(L (1 - L) / n)) with the n that the estimate's deviation tells,
so that the lower end of the 90 % interval is kept with probability 0.95.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from olearn_core.decisions.utility import MICRO_USD
from olearn_core.models import Estimate
from olearn_core.schemas import Limits
from olearn_core.statistics import FloatArray

BoolArray = NDArray[np.bool_]

TRIALS = 5
EVEN_ODDS = 0.5
NEAR_SD = 0.1
NEXT_TO_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Limit:
    """
    What must hold, and how likely.

    :param name: as requests have it
    :param bound: ms, USD, or a share
    :param required: probability
    """

    name: str
    component: str
    bound: float
    required: float

    def deviates(self, estimate: Estimate) -> FloatArray:
        """Return by how many standard deviations each agent keeps it, shape (agents,)."""
        if self.component in ("latency", "cost"):
            return self._below(estimate)
        return self._above(estimate)

    def _below(self, estimate: Estimate) -> FloatArray:
        if estimate.family != "lognormal":
            sd = np.maximum(estimate.sd, NEXT_TO_NOTHING * np.abs(estimate.mean))
            return np.asarray((self.bound - estimate.mean) / np.maximum(sd, NEXT_TO_NOTHING))
        steps = MICRO_USD if self.component == "cost" else 1.0
        given = estimate.parameters
        relative = estimate.sd / np.maximum(estimate.mean, NEXT_TO_NOTHING)
        spread = np.hypot(given["sigma"], np.maximum(given["mu_sd"], relative))
        gap = np.log(self.bound * steps) - given["mu"]
        return np.asarray(gap / np.maximum(spread, NEXT_TO_NOTHING))

    def _above(self, estimate: Estimate) -> FloatArray:
        mean = np.clip(estimate.mean, NEXT_TO_NOTHING, 1.0 - NEXT_TO_NOTHING)
        variance = np.maximum(estimate.sd**2, NEXT_TO_NOTHING**2)
        n = np.maximum(mean * (1.0 - mean) / variance - 1.0, NEXT_TO_NOTHING)
        at_bound = max(self.bound * (1.0 - self.bound), NEXT_TO_NOTHING**2)
        return np.asarray((mean - self.bound) / np.sqrt(at_bound / n))


def limits_of(limits: Limits | None) -> tuple[Limit, ...]:
    """Return limits as they are judged by."""
    if limits is None:
        return ()
    most = (("latency_ms", "latency", limits.latency_ms), ("cost_usd", "cost", limits.cost_usd))
    least = (("success", limits.success), ("quality", limits.quality))
    return (
        *(Limit(name, of, limit.most, limit.probability) for name, of, limit in most if limit),
        *(Limit(name, name, limit.least, limit.probability) for name, limit in least if limit),
    )


@dataclass(frozen=True, slots=True)
class Admission:
    """
    Who may be drawn.

    :param agents: shape (agents,), at least one of them
    :param limits_met: whether one of them keeps every limit; None where there is no limit
    """

    agents: BoolArray
    limits_met: bool | None


def admission(
    limits: Sequence[Limit], estimates: Mapping[str, Estimate], executions: FloatArray
) -> Admission:
    """
    Admit the agents that keep every limit, and newcomers that may.

    A newcomer (fewer than 5 outcomes) is judged by what agents are like, which
    is too little to be sure of; it is admitted at even odds, to be tried. Where
    nobody else keeps the limits, those nearest to it are admitted.

    :param executions: outcomes known of each agent
    """
    if not limits:
        return Admission(np.ones(len(executions), dtype=np.bool_), None)
    surplus = _surplus(limits, estimates, 1.0)
    kept = surplus >= 0.0
    tried = (executions < TRIALS) & (_surplus(limits, estimates, EVEN_ODDS) >= 0.0)
    if kept.any():
        return Admission(kept | tried, True)
    return Admission((surplus >= surplus.max() - NEAR_SD) | tried, False)


def _surplus(limits: Sequence[Limit], estimates: Mapping[str, Estimate], most: float) -> FloatArray:
    """Return by how much more than required each agent keeps its worst limit, in deviates."""
    surpluses = [
        limit.deviates(estimates[limit.component]) - NormalDist().inv_cdf(min(limit.required, most))
        for limit in limits
    ]
    return np.asarray(np.min(surpluses, axis=0))
