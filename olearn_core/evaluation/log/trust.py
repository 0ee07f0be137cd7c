"""When an estimate is not to be believed, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log, sqrt

from olearn_core.evaluation.log.off_policy import (
    ESTIMATORS,
    Estimated,
    Sample,
    effective,
    estimates,
)
from olearn_core.storage.decision_log import LoggedDecision

LEAST_EFFECTIVE = 100.0
LEAST_CORRECTIONS = 0.25
LARGEST_SHARE = 0.05
SE_AWAY = 3.0
ROUNDING = 1e-6
FALSE_ALARM = 1e-4


@dataclass(frozen=True, slots=True)
class Judged:
    """
    An estimate, or why there is none.

    :param estimated: None where it is refused
    :param refusal: what is wrong and what to do, None where nothing is
    """

    estimator: str
    estimated: Estimated | None
    refusal: str | None


def mean_weight(sample: Sample) -> tuple[float, float]:
    """
    Return the mean weight and its standard error; the mean is 1 where propensities are true.

    The error is that of the weights drawn, or by the laws where that is more.
    """
    if len(sample) < 2:
        return float(sample.weights.sum()), float("inf")
    variance = max(float(sample.weights.var(ddof=1)), sample.mean_square - 1.0)
    return float(sample.weights.mean()), sqrt(variance / len(sample))


def judged_all(sample: Sample, least_effective: float, misdrawn: str | None = None) -> list[Judged]:
    """Return what each estimator says of a sample of any size."""
    if len(sample) < 2:
        reason = misdrawn or "no two decisions have outcomes: log for longer"
        return [Judged(name, None, reason) for name in ESTIMATORS]
    return [judged(sample, found, least_effective, misdrawn) for found in estimates(sample)]


def judged(
    sample: Sample, estimated: Estimated, least_effective: float, misdrawn: str | None = None
) -> Judged:
    """
    Return the estimate, or refuse it.

    :param misdrawn: what is wrong with the log as a whole, see `misdrawn`
    """
    refusal = misdrawn or _refusal(sample, estimated, least_effective)
    return Judged(estimated.estimator, None if refusal else estimated, refusal)


def _refusal(sample: Sample, estimated: Estimated, least_effective: float) -> str | None:
    mean, se = mean_weight(sample)
    samples = min(estimated.effective_samples, len(sample) / max(sample.mean_square, 1.0))
    if samples < least_effective:
        return (
            f"only {samples:.0f} effective samples of {len(sample):,}, at least"
            f" {least_effective:.0f} are needed: log for longer, or raise"
            " [decisions] exploration_floor"
        )
    if abs(mean - 1.0) > SE_AWAY * se + ROUNDING:
        return (
            f"the mean weight is {mean:.3f} ± {se:.3f}, not 1: the logged propensities are not"
            " those that were drawn with, or outcomes of some agents are missing"
        )
    share = float(sample.weights.max() / sample.weights.sum())
    if share > LARGEST_SHARE:
        return f"one decision carries {share:.0%} of all weight: log for longer"
    corrections = _effective_corrections(sample, estimated)
    if corrections < LEAST_CORRECTIONS * least_effective:
        return (
            f"the correction stands on {corrections:.0f} effective outcomes, at least"
            f" {LEAST_CORRECTIONS * least_effective:.0f} are needed: log for longer"
        )
    return None


def _effective_corrections(sample: Sample, estimated: Estimated) -> float:
    """Return (sum |c|)^2 / sum c^2 of what was added to the expectations, c = w (r - q)."""
    if not estimated.is_corrected:
        return float("inf")
    return effective(abs(sample.weights * sample.residuals))


def misdrawn(decisions: Iterable[LoggedDecision]) -> str | None:
    """
    Tell what shows that decisions were not drawn from their logged laws, None where nothing does.

    The draws of an agent, less its probabilities, are a martingale: by Freedman's
    inequality (Ann. Probab. 1975) they are off by d with a probability of at most
    2 exp(-d^2 / (2 (v + d/3))), v the sum of p (1 - p). An alarm is false in one
    log of 10,000, all agents together.
    """
    drawn: dict[str, int] = {}
    chances: dict[str, float] = {}
    variances: dict[str, float] = {}
    for decision in decisions:
        drawn[decision.agent] = drawn.get(decision.agent, 0) + 1
        for agent, chance in zip(decision.agents, decision.law, strict=True):
            chances[agent] = chances.get(agent, 0.0) + chance
            variances[agent] = variances.get(agent, 0.0) + chance * (1.0 - chance)
    limit = log(2 * len(chances) / FALSE_ALARM) if chances else 0.0
    for agent, expected in chances.items():
        off = abs(drawn.get(agent, 0) - expected)
        if off**2 > 2 * (variances[agent] + off / 3) * limit:
            return (
                f"{agent} was drawn {drawn.get(agent, 0):,} times where the logged laws expect"
                f" {expected:,.0f}: decisions were not drawn from what was logged, so nothing"
                " can be concluded from this log"
            )
    return None
