"""Off-policy estimates: right on average, honest about their error, refused where they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from olearn_core.evaluation.log.off_policy import (
    Sample,
    dr,
    effective,
    estimates,
    ips,
    snips,
    switch_dr,
)
from olearn_core.evaluation.log.trust import LEAST_EFFECTIVE, judged, judged_all, mean_weight
from tests.evaluation.worlds import (
    AGENTS,
    OVERALL_BEST,
    Logged,
    always,
    best,
    draws,
    floored,
    log,
)

SEEDS = 200
DECISIONS = 100_000


class TestJudgement:
    """100,000 decisions with a floor of 20 % over four agents; the target takes the best one."""

    def test_estimates_are_within_three_standard_errors_and_weights_1_on_average(self) -> None:
        within, weights = np.zeros(4), []
        target = always(OVERALL_BEST, DECISIONS)
        for seed in range(SEEDS):
            logged = log(seed, DECISIONS, floor=0.2)
            sample, truth = logged.sample(target), logged.truth(target)
            within += [abs(e.value - truth) <= 3 * e.se for e in estimates(sample)]
            weights.append(mean_weight(sample)[0])
        assert within.min() >= 0.95 * SEEDS, within
        assert np.mean(weights) == pytest.approx(1.0, abs=0.02)


def rms_error_and_se(floor: float, size: int, seeds: int) -> dict[str, tuple[float, float]]:
    errors: dict[str, list[float]] = {}
    claimed: dict[str, list[float]] = {}
    for seed in range(seeds):
        logged = log(seed, size, floor)
        law = best(logged.tasks)
        for found in estimates(logged.sample(law)):
            errors.setdefault(found.estimator, []).append(found.value - logged.truth(law))
            claimed.setdefault(found.estimator, []).append(found.se)
    return {
        name: (math.sqrt(np.mean(np.square(errors[name]))), float(np.mean(claimed[name])))
        for name in errors
    }


def test_standard_errors_are_neither_too_small_nor_idle() -> None:
    for name, (error, se) in rms_error_and_se(0.2, 4_000, seeds=100).items():
        assert 0.75 * error <= se <= 1.6 * error, name


def test_what_was_expected_makes_the_doubly_robust_estimate_sharper_than_ips() -> None:
    found = rms_error_and_se(0.2, 4_000, seeds=60)
    assert found["dr"][0] < 0.8 * found["ips"][0]
    assert found["switch_dr"][0] < 0.8 * found["ips"][0]


def small() -> Sample:
    """Return four decisions, small enough to reckon by hand."""
    return Sample(
        logged=np.array([[0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [0.8, 0.2]]),
        target=np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]),
        predicted=np.array([[0.5, 0.5], [0.5, 0.5], [0.25, 0.5], [0.5, 0.5]]),
        drawn=np.array([0, 0, 0, 1]),
        rewards=np.array([1.0, 0.5, 1.0, 0.0]),
    )


def test_estimates_by_hand() -> None:
    weights = np.array([2.0, 4.0, 0.0, 2.5])
    assert small().weights.tolist() == weights.tolist()
    assert ips(small()).value == pytest.approx((2 + 2) / 4)
    assert snips(small()).value == pytest.approx(4 / 8.5)
    assert dr(small()).value == pytest.approx(0.5 + (2 * 0.5 + 0 + 0 - 2.5 * 0.5) / 4)
    assert effective(weights) == pytest.approx(8.5**2 / 26.25)


def test_with_the_logged_law_itself_ips_is_the_mean_reward() -> None:
    logged = log(1, 500, floor=0.2)
    sample = logged.sample(logged.law)
    assert ips(sample).value == pytest.approx(logged.rewards.mean())
    assert snips(sample).value == pytest.approx(logged.rewards.mean())
    assert mean_weight(sample) == (1.0, pytest.approx(0.0, abs=1e-6))
    assert judged(sample, ips(sample), LEAST_EFFECTIVE).refusal is None


def test_weights_that_have_not_occurred_count_in_the_error() -> None:
    """The log hardly ever takes the agent that the target takes one time in five."""
    size = 2_000
    law = np.tile([0.9999, 0.0001], (size, 1))
    target = np.tile([0.8, 0.2], (size, 1))
    half = np.full((size, 2), 0.5)
    rewards = np.resize([0.0, 1.0], size)
    sample = Sample(law, target, half, np.zeros(size, dtype=np.int64), rewards)
    for found in (ips(sample), snips(sample), dr(sample)):
        assert found.se > 0.2, found.estimator
    assert "effective samples" in (judged(sample, dr(sample), LEAST_EFFECTIVE).refusal or "")


def test_switching_tells_its_bias_as_error() -> None:
    """Where nearly all of the target's choices weigh too much, the error is that of a guess."""
    size = 1_000
    law = np.tile([0.9999, 0.0001], (size, 1))
    sample = Sample(
        law,
        np.tile([0.5, 0.5], (size, 1)),
        np.full((size, 2), 0.5),
        np.zeros(size, dtype=np.int64),
        np.ones(size),
    )
    assert 0.5 <= switch_dr(sample).se < dr(sample).se


class TestRefusal:
    def test_below_the_floor_of_effective_samples(self) -> None:
        logged = log(3, 2_000, floor=0.001)
        law = always(0, 2_000)
        sample = logged.sample(law)
        for found in estimates(sample):
            verdict = judged(sample, found, LEAST_EFFECTIVE)
            assert verdict.estimated is None
            assert "exploration_floor" in (verdict.refusal or "")

    def test_the_floor_can_be_chosen(self) -> None:
        logged = log(3, 400, floor=0.2)
        sample = logged.sample(best(logged.tasks))
        assert judged(sample, snips(sample), 50.0).refusal is None
        assert judged(sample, snips(sample), 5_000.0).refusal is not None

    def test_an_agent_that_the_log_never_draws(self) -> None:
        size = 1_000
        law = np.tile([1.0, 0.0], (size, 1))
        zeros = np.zeros(size, dtype=np.int64)
        sample = Sample(law, np.tile([0.9, 0.1], (size, 1)), law / 2, zeros, np.ones(size))
        for found in estimates(sample):
            assert judged(sample, found, LEAST_EFFECTIVE).refusal is not None

    def test_one_decision_that_carries_too_much(self) -> None:
        size = 2_000
        law = np.tile([0.5, 0.5], (size, 1))
        law[0] = [0.0008, 0.9992]
        target = np.tile([0.5, 0.5], (size, 1))
        drawn = np.resize([0, 1], size)
        sample = Sample(law, target, target, drawn, np.ones(size))
        assert "carries" in (judged(sample, snips(sample), 10.0).refusal or "")

    def test_a_correction_that_stands_on_few_outcomes(self) -> None:
        size = 2_000
        law = np.tile([0.5, 0.5], (size, 1))
        drawn = np.resize([0, 1], size)
        rewards = np.full(size, 0.9)
        rewards[:10] = 0.0
        predicted = np.full((size, 2), 0.9)
        sample = Sample(law, law, predicted, drawn, rewards)
        assert "correction" in (judged(sample, dr(sample), LEAST_EFFECTIVE).refusal or "")
        assert judged(sample, ips(sample), LEAST_EFFECTIVE).refusal is None

    def test_nothing_to_evaluate(self) -> None:
        empty = np.zeros((0, 1))
        sample = Sample(empty, empty, empty, np.zeros(0, dtype=np.int64), np.zeros(0))
        for verdict in judged_all(sample, LEAST_EFFECTIVE):
            assert "no two decisions" in (verdict.refusal or "")


def with_softmax_logged(logged: Logged) -> Logged:
    """Return the log as somebody writes it who logs a softmax of scores as the law."""
    scores = np.exp(logged.predicted * 3.0)
    law = scores / scores.sum(axis=1, keepdims=True)
    return Logged(logged.tasks, law, logged.drawn, logged.rewards, logged.predicted)


def test_wrong_propensities_are_noticed_by_the_mean_weight() -> None:
    for seed in range(20):
        logged = with_softmax_logged(log(seed, 20_000, floor=0.2))
        sample = logged.sample(best(logged.tasks))
        mean, se = mean_weight(sample)
        assert abs(mean - 1) > 3 * se
        for found in estimates(sample):
            refusal = judged(sample, found, LEAST_EFFECTIVE).refusal or ""
            assert "logged propensities are not those that were drawn with" in refusal


def test_true_propensities_are_rarely_taken_for_wrong_ones() -> None:
    alarms = 0
    for seed in range(200):
        logged = log(seed, 3_000, floor=0.1)
        sample = logged.sample(best(logged.tasks))
        alarms += judged(sample, snips(sample), LEAST_EFFECTIVE).refusal is not None
    assert alarms <= 4


class TestHeavyWeights:
    """A floor of 1 %: what is not refused lies outside 3 SE in at most 5 % of cases."""

    def test_what_is_not_refused_is_right(self) -> None:
        rng = np.random.default_rng(5)
        kept, outside, refused = 0, 0, 0
        for seed in range(60):
            logged = log(seed, 3_000, floor=0.01)
            mixed = floored(best(logged.tasks), float(rng.choice([0.0, 0.1, 0.4])))
            for law in (*(always(a, 3_000) for a in range(AGENTS)), mixed, logged.law):
                sample, truth = logged.sample(law), logged.truth(law)
                for found in estimates(sample):
                    if judged(sample, found, LEAST_EFFECTIVE).refusal is None:
                        kept += 1
                        outside += abs(found.value - truth) > 3 * found.se
                    else:
                        refused += 1
        assert kept > 300
        assert refused > 100
        assert outside <= 0.05 * kept


def test_draws_of_the_worlds_follow_their_law() -> None:
    law = np.tile([0.1, 0.2, 0.3, 0.4], (100_000, 1))
    shares = np.bincount(draws(np.random.default_rng(0), law), minlength=4) / 100_000
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.01)
