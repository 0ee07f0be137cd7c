"""Scores of latency and cost, held against numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from olearn_core.decisions.normal import normal_cdf
from olearn_core.decisions.scales import DEFAULT_COST_USD, DEFAULT_LATENCY_MS, default_scales
from olearn_core.decisions.utility import component_score, scores
from olearn_core.models import Estimate, Query, Sums, Utility


def estimate(
    *, mean: float = 0.5, mu: float = 0.0, sigma: float = 1.0, sd: float = 0.1
) -> Estimate:
    def one(value: float) -> np.ndarray:
        return np.array([value])

    return Estimate(
        mean=one(mean),
        sd=one(2 * sd),
        contrast_sd=one(sd),
        effective_n=one(10.0),
        low=one(mean - sd),
        high=one(mean + sd),
        family="lognormal",
        parameters={"mu": one(mu), "sigma": one(sigma), "mu_sd": one(sd)},
    )


def integrated(mu: float, sigma: float, scale: float) -> float:
    """1 - E[min(1, x/scale)] of a lognormal x, by quadrature over its normal logarithm."""
    law = stats.norm(mu, sigma)
    cut = np.log(scale)
    below, _ = integrate.quad(
        lambda y: np.exp(y - cut) * law.pdf(y), mu - 12 * sigma, cut, points=[mu], limit=200
    )
    return 1 - below - law.sf(cut)


@pytest.mark.parametrize("mu", [0.0, 5.0, 8.0, 9.5])
@pytest.mark.parametrize("sigma", [0.05, 0.5, 1.0, 2.0])
def test_latency_scores_are_the_expected_shortfall(mu: float, sigma: float) -> None:
    utility = Utility({"latency": 1.0}, latency_scale_ms=3_000.0)
    score, _ = component_score("latency", estimate(mu=mu, sigma=sigma), utility)
    if mu - 12 * sigma < np.log(3_000.0):
        assert score[0] == pytest.approx(integrated(mu, sigma, 3_000.0), abs=1e-7)
    assert 0 <= score[0] <= 1


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_their_deviation_is_the_slope_times_that_of_the_mean(sigma: float) -> None:
    utility = Utility({"latency": 1.0}, latency_scale_ms=3_000.0)
    _, sd = component_score("latency", estimate(mu=7.0, sigma=sigma, sd=0.1), utility)
    step = 1e-4
    slope = (integrated(7.0 + step, sigma, 3_000.0) - integrated(7.0 - step, sigma, 3_000.0)) / (
        2 * step
    )
    assert sd[0] == pytest.approx(abs(slope) * 0.1, rel=1e-3)


def test_costs_are_scored_in_micro_usd() -> None:
    utility = Utility({"cost": 1.0}, cost_scale_usd=0.02)
    score, _ = component_score("cost", estimate(mu=8.0, sigma=0.7), utility)
    assert score[0] == pytest.approx(integrated(8.0, 0.7, 20_000.0), abs=1e-7)


@pytest.mark.parametrize(("mu", "sigma"), [(800.0, 0.1), (-800.0, 0.1), (5.0, 0.0), (5.0, 40.0)])
def test_scores_stay_within_bounds_at_the_extremes(mu: float, sigma: float) -> None:
    utility = Utility({"latency": 1.0})
    score, sd = component_score("latency", estimate(mu=mu, sigma=sigma), utility)
    assert 0 <= score[0] <= 1
    assert np.isfinite(sd[0])


def test_components_are_weighed_and_missing_ones_count_for_nothing() -> None:
    query = Query("code", ("ada",))
    estimates = {"success": estimate(mean=0.8, sd=0.1), "quality": estimate(mean=0.4, sd=0.2)}
    utility = Utility({"success": 3.0, "quality": 1.0, "cost": 5.0})
    combined = scores(estimates, utility, query)
    assert combined.mean[0] == pytest.approx(0.75 * 0.8 + 0.25 * 0.4)
    assert combined.contrast_sd[0] == pytest.approx(np.hypot(0.75 * 0.1, 0.25 * 0.2))
    assert scores({}, utility, query).mean.tolist() == [0.0]


def test_the_normal_distribution_function() -> None:
    z = np.linspace(-9, 9, 101)
    assert normal_cdf(z) == pytest.approx(stats.norm.cdf(z), rel=1e-12, abs=1e-300)


def test_scales_are_95th_percentiles_of_what_the_fleet_does() -> None:
    rng = np.random.default_rng(1)
    latency = rng.lognormal(6, 0.8, 20_000)
    ln = np.rint(1_000 * np.log(latency))
    columns = ("latency_n", "ln_latency", "ln_latency_sq")
    values = np.array([[[len(ln), ln.sum(), (ln**2).sum()]]])
    scale, cost = default_scales(Sums(("t",), ("a",), columns, values))
    assert scale == pytest.approx(np.quantile(latency, 0.95), rel=0.03)
    assert cost == DEFAULT_COST_USD
    empty = Sums((), (), columns, np.zeros((0, 0, 3)))
    assert default_scales(empty) == (DEFAULT_LATENCY_MS, DEFAULT_COST_USD)
