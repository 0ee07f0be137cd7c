"""Targets on a log: their laws stand on what was known, their worth is told or refused."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from olearn_core.config import Settings
from olearn_core.decisions.question import Question
from olearn_core.errors import ConfigError
from olearn_core.evaluation.log.evaluation import LogEvaluation, TargetResult, evaluate_history
from olearn_core.evaluation.log.history import History
from olearn_core.evaluation.log.learner import LogLearner
from olearn_core.evaluation.log.rewards import Reward
from olearn_core.evaluation.log.targets import Target
from olearn_core.plugins import Models, Plugins
from olearn_core.storage.outcome_log import LoggedRecord
from tests.evaluation.logs import AGENTS, KEYS, RATES, decision, drawn, outcome
from tests.support.events import stream
from tests.support.services import publish, received, running, settings_for


@pytest.fixture(scope="module")
def models() -> Models:
    return Plugins.found().models("agent_selection", {})


def evaluated(
    models: Models, history: History, *targets: str, reward: Reward = Reward.SUCCESS
) -> LogEvaluation:
    return evaluate_history(history, targets, models, Settings(), reward, 100.0)


def history_of(seed: int, size: int, **options) -> History:
    log = drawn(seed, size, **options)
    return History.joined(log.decisions, log.records, KEYS, Reward.SUCCESS)


def values(result: TargetResult) -> dict[str, float]:
    return {j.estimator: j.estimated.value for j in result.estimates if j.estimated}


def test_targets_of_every_kind_are_told_near_their_truth(models: Models) -> None:
    found = evaluated(models, history_of(1, 3_000), "logged", "uniform", "always:bob")
    truths = [
        sum(p * RATES[t][a] for t in RATES for a, p in zip(AGENTS, law, strict=True)) / 2
        for law in ((0.5, 0.3, 0.2), (1 / 3,) * 3, (0, 1, 0))
    ]
    for result, truth in zip(found.targets, truths, strict=True):
        for judged in result.estimates:
            assert judged.estimated is not None, judged.refusal
            assert abs(judged.estimated.value - truth) <= 4 * judged.estimated.se
            assert judged.estimated.se < 0.03


def test_a_policy_that_learns_is_worth_more_than_the_law_that_was_logged(models: Models) -> None:
    history = history_of(2, 3_000)
    logged, policy = evaluated(models, history, "logged", "agent_selection").targets
    assert values(logged)["ips"] == pytest.approx(np.nanmean(history.rewards))
    assert values(policy)["dr"] > values(logged)["dr"] + 0.1
    assert values(policy)["snips"] == pytest.approx(np.mean([0.9, 0.8]), abs=0.06)


def test_policies_have_laws_of_their_own(models: Models) -> None:
    found = evaluated(models, history_of(3, 1_000), "agent_selection", "classic").targets
    assert values(found[0]) != values(found[1])


def test_a_policy_that_is_not_there_is_named_with_those_that_are(models: Models) -> None:
    with pytest.raises(ConfigError, match=r"no policy 'best'.*agent_selection.*always:AGENT"):
        evaluated(models, history_of(1, 10), "best")


def test_decisions_in_which_the_agent_had_no_chance_are_counted_apart(models: Models) -> None:
    log = drawn(4, 1_000)
    for number in range(1_000, 1_100):
        few = decision(number, "ada", agents=("ada", "bob"), law=(0.5, 0.5))
        log.decisions.append(few)
        log.records.append(outcome(few, number))
    history = History.joined(log.decisions, log.records, KEYS, Reward.SUCCESS)
    (result,) = evaluated(models, history, "always:cyd").targets
    assert result.not_eligible == 100
    assert result.decisions + result.not_eligible == 1_100


def test_decisions_without_an_outcome_are_left_out_and_counted(models: Models) -> None:
    log = drawn(5, 1_000)
    history = History.joined(log.decisions, log.records[:900], KEYS, Reward.SUCCESS)
    found = evaluated(models, history, "logged")
    assert (found.decisions, found.joined) == (1_000, 900)
    assert found.dangling_share == pytest.approx(0.1)


def test_an_empty_log_is_refused_in_words(models: Models) -> None:
    history = History.joined([], [], KEYS, Reward.SUCCESS)
    found = evaluated(models, history, "logged", "agent_selection")
    assert found.dangling_share == 0.0
    for result in found.targets:
        assert all("no two decisions" in (j.refusal or "") for j in result.estimates)


def test_a_log_that_was_not_drawn_as_it_says_is_refused_as_a_whole(models: Models) -> None:
    """Drawn from (.5, .3, .2), but somebody has written a softmax of scores down."""
    log, softmax = drawn(6, 2_000), (0.4, 0.35, 0.25)
    wrong = [
        decision(n, d.agent, law=softmax, task_type=d.task_type)
        for n, d in enumerate(log.decisions)
    ]
    records = [outcome(d, n) for n, d in enumerate(wrong)]
    found = evaluated(
        models, History.joined(wrong, records, KEYS, Reward.SUCCESS), "logged", "always:ada"
    )
    assert "was drawn" in (found.misdrawn or "")
    for result in found.targets:
        assert all(j.estimated is None for j in result.estimates)
    mean, se = found.targets[1].mean_weight, found.targets[1].mean_weight_se
    assert abs(mean - 1) > 3 * se


def test_true_logs_raise_no_alarm(models: Models) -> None:
    for seed in range(20):
        assert evaluated(models, history_of(seed, 300), "logged").misdrawn is None


class TestWhatIsKnown:
    """Nothing that came later changes a law or an expectation."""

    def expectations(self, models: Models, history: History) -> np.ndarray:
        learner = LogLearner(models, Settings(), history.keys)
        found, learned = [], 0
        for logged, known in zip(history.decisions, history.known.tolist(), strict=True):
            learner.learn(history.records[learned:known], logged.issued_at.timestamp())
            learned = known
            found.append([learner.law("agent_selection", logged)])
            found[-1].append(learner.expected(logged, logged.utility))
        return np.array(found)

    def test_the_future_changes_nothing(self, models: Models) -> None:
        log = drawn(7, 60)
        changed = [
            *log.records[:40],
            *(outcome(d, n, status="failure") for n, d in enumerate(log.decisions) if n >= 40),
        ]
        one, other = (
            self.expectations(models, History.joined(log.decisions, records, KEYS, Reward.SUCCESS))
            for records in (log.records, changed)
        )
        assert (one[:41] == other[:41]).all(), "its own outcome is the first that differs"
        assert not (one[45:] == other[45:]).all()

    def test_at_first_nothing_is_known(self, models: Models) -> None:
        found = self.expectations(models, history_of(8, 1))
        assert found[0, 0] == pytest.approx(1 / 3)


async def test_what_the_learner_knows_is_what_a_service_knows(
    tmp_path: Path, sqlite_url: str, models: Models
) -> None:
    """Of a stream with everything that may happen in one: the same laws, the same estimates."""
    now = time.time()
    records = stream(9, 400, now)
    logged = decision(1, task_type="code", agents=("ada", "bob", "new"), law=(0.5, 0.3, 0.2))
    async with running(settings_for(tmp_path, sqlite_url)) as run:
        await publish(run.service.publisher, records)
        await received(run.service, len(records))
        learner = LogLearner(models, run.service.settings, {})
        told = [LoggedRecord(n, value, int(now * 1e3)) for n, value in enumerate(records)]
        learner.learn(told[:123], now)
        learner.learn(told[123:], now)
        question = Question("default", "code", {}, eligible=logged.agents, weights={"success": 1})
        law = run.service.decider.law(question)
        asked = dataclasses.replace(logged.utility, weights={"success": 1})
        same = decision(1, agents=logged.agents, utility=asked)
        assert learner.law("agent_selection", same) == pytest.approx(law.probabilities)
        assert learner.expected(same, asked) == pytest.approx(law.scores)


@pytest.mark.parametrize("name", ["logged", "uniform", "always:cyd", "classic"])
def test_a_target_s_law_sums_to_one(models: Models, name: str) -> None:
    learner = LogLearner(models, Settings(), KEYS)
    law = Target(name, models.policies).law(decision(1), learner)
    assert law is not None
    assert law.sum() == pytest.approx(1.0)
