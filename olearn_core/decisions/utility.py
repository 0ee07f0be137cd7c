"""Utility: estimates of several kinds on one scale, weighed as the request wants it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from olearn_core.decisions.normal import normal_cdf
from olearn_core.models import Estimate, Query, Scores, Utility
from olearn_core.models.estimate import empty_like
from olearn_core.statistics import FloatArray

MICRO_USD = 1e6


def scores(estimates: Mapping[str, Estimate], utility: Utility, query: Query) -> Scores:
    """
    Combine estimates into expected utility; weights are normalised to sum to 1.

    Components whose estimate is missing count for nothing, so that a fleet
    that reports no cost is judged by what it reports. Where there is a price on
    cost, the expected cost in units of its scale takes away that much.
    """
    weights = {c: w for c, w in utility.weights.items() if w > 0 and c in estimates}
    total = sum(weights.values())
    mean, variance = empty_like(query), empty_like(query)
    for component, weight in weights.items():
        score, sd = component_score(component, estimates[component], utility)
        mean += weight / total * score
        variance += (weight / total * sd) ** 2
    if utility.cost_price and "cost" in estimates:
        mean -= priced(estimates["cost"].mean, utility)
        variance += priced(estimates["cost"].contrast_sd, utility) ** 2
    return Scores(mean, np.sqrt(variance))


def priced(cost_usd: FloatArray, utility: Utility) -> FloatArray:
    """Return the utility that the price on cost takes for these costs."""
    taken: FloatArray = utility.cost_price / utility.cost_scale_usd * cost_usd
    return taken


def component_score(
    component: str, estimate: Estimate, utility: Utility
) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of one component's score, higher is better."""
    if component == "latency":
        return _shortfall(estimate, utility.latency_scale_ms)
    if component == "cost":
        return _shortfall(estimate, utility.cost_scale_usd * MICRO_USD)
    return estimate.mean, estimate.contrast_sd


def _shortfall(estimate: Estimate, scale: float) -> tuple[FloatArray, FloatArray]:
    """
    Score 1 - E[min(1, x/scale)] of a lognormal x, with its delta-method deviation.

    With a = (ln scale - mu) / sigma: E[min(1, x/scale)] =
    exp(mu + sigma^2/2)/scale * Phi(a - sigma) + 1 - Phi(a), whose derivative by
    mu is the first summand alone (partial expectation of the lognormal law).
    """
    mu = estimate.parameters["mu"]
    sigma = np.maximum(estimate.parameters["sigma"], 1e-6)
    a = (np.log(scale) - mu) / sigma
    below = np.exp(np.minimum(mu + sigma**2 / 2 - np.log(scale), 50.0)) * normal_cdf(a - sigma)
    score = normal_cdf(a) - below
    return np.clip(score, 0.0, 1.0), below * estimate.parameters["mu_sd"]
