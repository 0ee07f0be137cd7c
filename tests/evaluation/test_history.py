"""Outcomes are joined to the decisions they came of, and known from then on, not before."""

from __future__ import annotations

import math

import numpy as np
import pytest

from olearn_core.evaluation.log.history import History
from olearn_core.evaluation.log.rewards import Reward
from olearn_core.models import Utility
from olearn_core.tokens import SigningKey
from tests.evaluation.logs import KEYS, decision, outcome, token


def joined(decisions, records, reward=Reward.UTILITY) -> History:
    return History.joined(decisions, records, KEYS, reward)


def reward_of(*records, reward=Reward.UTILITY, **fields) -> float:
    return float(joined([decision(1, **fields)], records, reward).rewards[0])


def test_the_reward_is_the_utility_that_the_decision_was_made_for() -> None:
    one = decision(1)
    assert reward_of(outcome(one, 0, latency_ms=250)) == pytest.approx(0.6 + 0.4 * 0.75)
    assert reward_of(outcome(one, 0, status="partial", latency_ms=9_000)) == pytest.approx(0.3)
    every = Utility({"success": 1, "quality": 1, "latency": 1, "cost": 1}, 1_000.0, 0.02)
    said = {"status": "failure", "quality_score": 0.8, "latency_ms": 500, "cost_usd": 0.005}
    expected = (0 + 0.8 + 0.5 + 0.75) / 4
    assert reward_of(outcome(one, 0, **said), utility=every) == pytest.approx(expected)


def test_what_was_not_reported_leaves_its_weight_to_the_others() -> None:
    one = decision(1)
    assert reward_of(outcome(one, 0)) == 1.0
    timeout = outcome(one, 0, status="timeout", latency_ms=400)
    assert reward_of(timeout) == 0.0, "how long it would have taken is not known"


@pytest.mark.parametrize(
    ("reward", "expected"), [(Reward.SUCCESS, 0.5), (Reward.QUALITY, 0.7), (Reward.UTILITY, 0.5)]
)
def test_one_part_can_be_the_reward(reward: Reward, expected: float) -> None:
    done = outcome(decision(1), 0, status="partial", quality_score=0.7)
    assert reward_of(done, reward=reward) == pytest.approx(expected)


def test_a_rating_that_comes_later_and_alone_is_joined_too() -> None:
    one = decision(1)
    done = outcome(one, 0, quality_score=0.2)
    rated = outcome(one, 1, after=60.0, status=None, quality_score=0.9)
    assert reward_of(done, reward=Reward.QUALITY) == pytest.approx(0.2)
    assert reward_of(done, rated, reward=Reward.QUALITY) == pytest.approx(0.9)
    assert reward_of(rated, reward=Reward.QUALITY) == pytest.approx(0.9)
    assert math.isnan(reward_of(rated, reward=Reward.SUCCESS))


def test_the_first_outcome_of_a_decision_counts_and_repeats_do_not() -> None:
    one = decision(1)
    first, repeat = outcome(one, 0, status="failure"), outcome(one, 1, status="success")
    assert reward_of(first, repeat) == 0.0


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "pending"},
        {"status": "cancelled"},
        {"agent_name": "bob"},
        {"tenant_id": "acme"},
        {"decision_id": None},
        {"decision_id": "nonsense"},
        {"decision_id": token(decision(1), SigningKey(1, b"another"))},
        {"decision_id": token(decision(2))},
        {"latency_ms": -1},
    ],
)
def test_what_did_not_come_of_the_decision_is_no_outcome_of_it(fields: dict[str, object]) -> None:
    assert math.isnan(reward_of(outcome(decision(1), 0, **fields)))


def test_outcomes_are_known_after_they_came() -> None:
    decisions = [decision(number) for number in range(4)]
    records = [outcome(decisions[0], 0, after=2.5), outcome(decisions[1], 1, after=0.5)]
    history = joined(decisions, records)
    assert history.known.tolist() == [0, 0, 1, 2]
    assert [record.value for record in history.records] == [records[1].value, records[0].value]
    assert [record.offset for record in history.records] == [0, 1]


def test_no_decision_knows_its_own_outcome_however_clocks_differ() -> None:
    """The broker's clock is an hour late."""
    decisions = [decision(number) for number in range(50)]
    records = [outcome(one, number, after=-3_600.0) for number, one in enumerate(decisions)]
    history = joined(decisions, records)
    assert history.known.tolist() == list(range(50))


def test_outcomes_that_are_not_of_a_decision_are_learned_as_well() -> None:
    stranger = outcome(decision(0), 0, decision_id=None)
    history = joined([decision(1)], [stranger])
    assert (len(history.records), history.known.tolist()) == (1, [1])


def test_decisions_come_once_each_in_the_order_of_time() -> None:
    history = joined([decision(3), decision(1), decision(3), decision(2)], [])
    assert [d.nonce for d in history.decisions] == [decision(n).nonce for n in (1, 2, 3)]
    assert np.isnan(history.rewards).all()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"law": (0.5, 0.3, 0.3)}, "does not sum to 1"),
        ({"propensity": 0.4}, "propensity"),
        ({"agent": "zoe"}, "not eligible"),
        ({"law": (0.0, 0.5, 0.5)}, "no chance"),
        ({"agents": ("ada", "ada", "bob")}, "do not match"),
        ({"propensity": None, "law": (0.0, 0.0, 0.0), "format": 2}, "not known"),
        ({"propensity": 1.0, "law": (1.0, 0.0, 0.0), "mode": "logging_only"}, "not known"),
    ],
)
def test_decisions_that_contradict_themselves_are_left_out_and_counted(
    fields: dict[str, object], reason: str
) -> None:
    history = joined([decision(1, **fields), decision(2)], [])  # type: ignore[arg-type]
    assert len(history.decisions) == 1
    ((said, count),) = history.left_out.items()
    assert reason in said
    assert count == 1


def test_a_caller_that_says_it_was_certain_is_believed() -> None:
    said = {"propensity": 1.0, "law": (1.0, 0.0, 0.0), "mode": "logging_only", "format": 2}
    assert len(joined([decision(1, **said)], []).decisions) == 1


def test_an_empty_log() -> None:
    history = joined([], [])
    assert (len(history.decisions), len(history.rewards), len(history.known)) == (0, 0, 0)
