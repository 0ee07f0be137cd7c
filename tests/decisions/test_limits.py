"""Limits are probabilities, with what is uncertain counted; who breaks them is not drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from olearn_core.decisions.limits import Limit, admission, limits_of
from olearn_core.models import Estimate
from olearn_core.schemas import Limits
from tests.decisions.test_utility import estimate

LATENCY = Limit("latency_ms", "latency", 2_000.0, 0.9)
KNOWN = np.array([1_000.0])


def probability(limit: Limit, of: Estimate) -> float:
    return float(stats.norm.cdf(limit.deviates(of)[0]))


@pytest.mark.parametrize("mu", [6.0, 7.0, 7.6, 9.0])
@pytest.mark.parametrize("mu_sd", [0.0, 0.3, 1.0])
def test_a_latency_is_below_its_limit_as_often_as_in_draws(mu: float, mu_sd: float) -> None:
    of = estimate(mu=mu, sigma=0.5, sd=mu_sd, mean=1e9)
    rng = np.random.default_rng(1)
    drawn = rng.lognormal(rng.normal(mu, mu_sd, 400_000), 0.5) <= LATENCY.bound
    assert probability(LATENCY, of) == pytest.approx(drawn.mean(), abs=3e-3)


def test_what_all_agents_share_is_uncertain_too() -> None:
    """Of an unknown task type the contrast is known better than the level."""
    level = estimate(mu=7.0, sigma=0.5, sd=0.1, mean=0.1)  # its deviation is twice the mean
    assert probability(LATENCY, level) < probability(LATENCY, estimate(mu=7.0, sigma=0.5, mean=1e9))


def test_a_cost_is_limited_in_usd() -> None:
    limit = Limit("cost_usd", "cost", 0.02, 0.9)
    of = estimate(mu=float(np.log(20_000)), sigma=0.7, sd=0.0)
    assert probability(limit, of) == pytest.approx(0.5)


@pytest.mark.parametrize(("wins", "n"), [(30, 40), (180, 200), (4, 50)])
def test_a_share_is_limited_as_its_interval_says(wins: int, n: int) -> None:
    """The lower end of the 90 % interval is kept with probability 0.95."""
    mean, z = wins / n, stats.norm.ppf(0.95)
    centre, reach = mean + z**2 / (2 * n), z * np.sqrt((mean * (1 - mean) + z**2 / (4 * n)) / n)
    low = (centre - reach) / (1 + z**2 / n)
    deviation = np.sqrt(mean * (1 - mean) / (n + 1))
    of = estimate(mean=mean, sd=deviation / 2)
    assert of.sd[0] == pytest.approx(deviation)
    limit = Limit("success", "success", float(low), 0.9)
    assert probability(limit, of) == pytest.approx(0.95, abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_any_share_can_be_judged(bound: float, mean: float, sd: float) -> None:
    found = Limit("success", "success", bound, 0.9).deviates(estimate(mean=mean, sd=sd))
    assert not np.isnan(found).any()


def fleet(*mus: float) -> dict[str, Estimate]:
    """Return latency estimates of agents whose medians are these."""
    mu = np.log(np.array(mus))
    ones = np.ones(len(mus))
    return {
        "latency": Estimate(
            mean=np.exp(mu),
            sd=0.01 * np.exp(mu),
            contrast_sd=0.01 * np.exp(mu),
            effective_n=100 * ones,
            low=np.exp(mu),
            high=np.exp(mu),
            family="lognormal",
            parameters={"mu": mu, "sigma": 0.2 * ones, "mu_sd": 0.01 * ones},
        )
    }


def test_without_limits_everybody_is_admitted() -> None:
    found = admission((), {}, np.zeros(3))
    assert found.agents.all()
    assert found.limits_met is None


def test_who_breaks_a_limit_is_not_admitted() -> None:
    found = admission((LATENCY,), fleet(500, 1_900, 5_000), np.full(3, 100.0))
    assert found.agents.tolist() == [True, False, False]
    assert found.limits_met is True


def test_where_nobody_keeps_the_limits_the_nearest_are_used() -> None:
    found = admission((LATENCY,), fleet(5_000, 5_010, 50_000), np.full(3, 100.0))
    assert found.agents.tolist() == [True, True, False]
    assert found.limits_met is False


def test_a_newcomer_is_tried_at_even_odds() -> None:
    executions = np.array([100.0, 0.0, 0.0])
    found = admission((LATENCY,), fleet(500, 1_900, 2_100), executions)
    assert found.agents.tolist() == [True, True, False]
    assert found.limits_met is True
    found = admission((LATENCY,), fleet(5_000, 1_900, 2_100), executions)
    assert found.agents.tolist() == [False, True, False]
    assert found.limits_met is False, "that it is tried does not mean that it keeps the limit"


def test_every_limit_must_be_kept() -> None:
    strict = Limit("latency_ms", "latency", 600.0, 0.9)
    found = admission((LATENCY, strict), fleet(400, 1_000), np.full(2, 100.0))
    assert found.agents.tolist() == [True, False]


def test_limits_are_read_as_requests_have_them() -> None:
    asked = Limits.model_validate(
        {"latency_ms": {"most": 2_000, "probability": 0.95}, "quality": {"least": 0.5}}
    )
    assert limits_of(asked) == (
        Limit("latency_ms", "latency", 2_000.0, 0.95),
        Limit("quality", "quality", 0.5, 0.9),
    )
    assert limits_of(None) == ()
