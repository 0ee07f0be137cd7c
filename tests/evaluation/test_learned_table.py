"""An evaluation learns the sums that the service would have learned."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from olearn_core.config import LearningSettings
from olearn_core.evaluation.playing.learned_table import LearnedTable, spelling
from olearn_core.evaluation.playing.policy_player import Recorded
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.tasks import Execution, Task
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.plugins import Plugins
from olearn_core.statistics import Statistics, Weighting
from olearn_core.storage.outcome_log import LoggedRecord
from tests.support.events import outcome, rfc3339
from tests.support.workers import NOW, PARTITION

MODELS = Plugins.found().models("agent_selection", {})
AGENTS = ("ada", "bob", "dürer")
BATCH = 7


@dataclass(frozen=True)
class Story:
    """Outcomes of a pool, one after the other."""

    pool: Pool
    rows: list[int]
    arms: list[int]
    at_seconds: list[float]


def drawn_execution(rng: random.Random) -> Execution:
    return Execution(
        success=rng.choice((0.0, 0.5, 1.0)),
        quality=rng.choice((None, rng.random())),
        latency_ms=rng.choice((None, rng.lognormvariate(6, 1))),
        cost_usd=rng.choice((None, rng.lognormvariate(-5, 1))),
    )


def story(seed: int, days: float, size: int = 150) -> Story:
    rng = random.Random(seed)
    contexts = ({}, {"domain": "law"}, {"complexity": rng.random() * 20, "domain": "art", "x": 1})
    tasks = [
        Task(
            str(number),
            rng.choice(("mail", "code")),
            {agent: drawn_execution(rng) for agent in AGENTS},
            rng.choice(contexts),
        )
        for number in range(size)
    ]
    arms = [rng.randrange(len(AGENTS)) for _ in tasks]
    times = [NOW + days * 86_400 * number / size for number in range(size)]
    return Story(Pool.of([tasks]), list(range(size)), arms, times)


def learned(told: Story, settings: LearningSettings) -> LearnedTable:
    table, recorded = LearnedTable(MODELS.column_names, settings), Recorded(told.pool, MODELS)
    for start in range(0, len(told.rows), BATCH):
        rows, arms = told.rows[start : start + BATCH], told.arms[start : start + BATCH]
        spelt = [
            spelling(told.pool.task_types[row], told.pool.agents[arm], told.pool.contexts[row])
            for row, arm in zip(rows, arms, strict=True)
        ]
        values = recorded.of(np.array(rows), np.array(arms))
        table.learn(spelt, values, told.at_seconds[start : start + BATCH])
    return table


def event(told: Story, number: int) -> bytes:
    row, arm = told.rows[number], told.arms[number]
    pool = told.pool
    numbers = {
        "quality_score": float(pool.quality[row, arm]),
        "latency_ms": float(pool.latency_ms[row, arm]),
        "cost_usd": float(pool.cost_usd[row, arm]),
    }
    return outcome(
        event_id=str(number),
        agent_name=pool.agents[arm],
        task_type=pool.task_types[row],
        status={0.0: "failure", 0.5: "partial", 1.0: "success"}[float(pool.success[row, arm])],
        timestamp=rfc3339(told.at_seconds[number]),
        context=pool.contexts[row],
        **{name: value for name, value in numbers.items() if not np.isnan(value)},
    )


def sharded(told: Story, settings: LearningSettings) -> Statistics:
    """Return what a shard of the service learns of the same outcomes as JSON."""
    state = ShardState(
        id=1,
        partition=PARTITION,
        epoch=1,
        next_offset=0,
        version=0,
        table=Statistics(MODELS.column_names),
        executions=DedupWindow(settings.dedup_ids),
        ratings=DedupWindow(settings.dedup_ratings),
    )
    shard = Shard(state, MODELS.columns, Reader(PARTITION, dict, require_token=False), settings)
    for number, at in enumerate(told.at_seconds):
        shard.learn([LoggedRecord(number, event(told, number), int(at * 1_000))], at)
        shard.tick = None  # as if it were saved: the next one is received at a time of its own
    return shard.table


@pytest.mark.parametrize("days", [0.01, 5.0, 150.0])
@pytest.mark.parametrize("keys", [(), ("domain",), ("complexity", "domain")])
def test_the_sums_are_those_of_a_shard_fed_the_same_outcomes(days: float, keys) -> None:
    told, settings = story(int(days), days), LearningSettings(context_keys=keys)
    end = told.at_seconds[-1]
    table = learned(told, settings).table
    assert table.compact(end) == sharded(told, settings).compact(end)


def test_names_beyond_the_cap_fold_as_they_do_in_a_shard() -> None:
    told, settings = story(9, 2.0), LearningSettings(most_agents=2, most_task_types=1)
    end = told.at_seconds[-1]
    assert learned(told, settings).table.compact(end) == sharded(told, settings).compact(end)


def test_compaction_changes_no_sum() -> None:
    told = story(4, 1.0)
    table = learned(told, LearningSettings())
    before = table.sums("default", "success_prediction", Weighting(), "executions")
    rows = len(table.table)
    table.at(told.at_seconds[-1] + 120 * 86_400)
    after = table.sums("default", "success_prediction", Weighting(), "executions")
    assert len(table.table) < rows, "hours have become one base"
    assert (before.tasks, before.agents) == (after.tasks, after.agents)
    np.testing.assert_array_equal(before.values, after.values)


def test_the_old_weighs_less_where_a_model_forgets() -> None:
    told, forgetting = story(4, 1.0), Weighting("exponential", half_life_days=2.0)
    table = learned(told, LearningSettings())
    end = told.at_seconds[-1]

    def weight(days: float, weighting: Weighting) -> float:
        table.at(end + days * 86_400)
        return float(table.sums("default", "m", weighting, "executions").values.sum())

    fresh, whole = weight(0, forgetting), weight(0, Weighting())
    assert weight(10, Weighting()) == whole
    assert weight(10, forgetting) == pytest.approx(fresh / 2**5, rel=0.2)


def test_nothing_learned_is_no_sums() -> None:
    sums = LearnedTable(MODELS.column_names, LearningSettings()).sums(
        "default", "m", Weighting(), "executions"
    )
    assert (sums.tasks, sums.agents) == ((), ())
