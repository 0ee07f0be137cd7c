"""A pool holds what is known, and says what it is worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from olearn_core.evaluation.json_lines import DataFileError
from olearn_core.evaluation.playing.pool import Pool, read_pool_agents
from olearn_core.evaluation.tasks import read_tasks
from tests.evaluation.pools import constant, done, pool_of, task


def test_a_missing_outcome_and_null_fields_are_nan(tmp_path: Path) -> None:
    lines = [
        {"a": {"success": 1, "quality": None, "latency_ms": 20, "cost_usd": None}},
        {"b": {"success": 0.5, "quality": 0.7}},
    ]
    file = tmp_path / "tasks.jsonl"
    file.write_text(
        "\n".join(
            json.dumps({"task_id": "1", "task_type": "mail", "outcomes": outcomes})
            for outcomes in lines
        )
    )
    pool = Pool.of([read_tasks(file)])
    nan = np.nan
    assert pool.agents == ("a", "b")
    np.testing.assert_array_equal(pool.known, [[True, False], [False, True]])
    np.testing.assert_array_equal(pool.success, [[1, nan], [nan, 0.5]])
    np.testing.assert_array_equal(pool.quality, [[nan, nan], [nan, 0.7]])
    np.testing.assert_array_equal(pool.latency_ms, [[20, nan], [nan, nan]])
    np.testing.assert_array_equal(pool.cost_usd, np.full((2, 2), nan))


def test_success_may_be_true_or_false(tmp_path: Path) -> None:
    outcomes = {"a": {"success": True}, "b": {"success": False}}
    file = tmp_path / "tasks.jsonl"
    file.write_text(json.dumps({"task_id": "1", "task_type": "mail", "outcomes": outcomes}))
    tasks = read_tasks(file)
    np.testing.assert_array_equal(Pool.of([tasks]).success, [[1.0, 0.0]])
    assert [done.status for done in tasks[0].outcomes.values()] == ["success", "failure"]


def test_files_follow_each_other() -> None:
    first, second = [task("mail", a=1), task("code", a=0)], [task("plan", a=1, b=1)]
    pool = Pool.of([first, second])
    assert pool.parts == (0, 0, 1)
    assert pool.task_types == ("mail", "code", "plan")
    assert pool.agents == ("a", "b")


def test_only_the_chosen_agents_are_there_in_the_order_they_are_named() -> None:
    pool = Pool.of([[task(a=1, b=0, c=1)]], ["c", "a", "c"])
    assert pool.agents == ("c", "a")
    assert pool.success.tolist() == [[1, 1]]


def test_an_agent_without_any_outcome_is_refused_by_name() -> None:
    with pytest.raises(DataFileError, match="'bbo'"):
        Pool.of([[task(bob=1)]], ["bbo"])


def test_the_scales_are_the_95th_percentiles_of_what_is_known() -> None:
    tasks = [task(a=done(1, latency_ms=float(ms), cost_usd=ms / 1e3)) for ms in range(101)]
    pool = pool_of(*tasks, task(a=1))
    assert pool.scales == pytest.approx((95.0, 0.095))
    assert constant(3, a=1).scales == (1.0, 1.0), "nothing is known"


def test_utility_weighs_success_latency_and_cost() -> None:
    pool = pool_of(
        task(a=done(1, latency_ms=100, cost_usd=0.0)),
        task(a=done(0, latency_ms=50, cost_usd=0.0)),
        task(a=done(1, latency_ms=1e9, cost_usd=0.0)),
    )
    latency_ms = pool.scales[0]
    expected = [0.6 + 0.2 * (1 - 100 / latency_ms) + 0.2, 0.2 * (1 - 50 / latency_ms) + 0.2, 0.8]
    assert pool.rewards("utility")[:, 0] == pytest.approx(expected)


def test_a_missing_latency_or_cost_leaves_its_weight_to_the_rest_of_that_cell() -> None:
    fast = {"latency_ms": 0.0}
    pool = pool_of(
        task(a=done(1, **fast), b=done(0, **fast)),
        task(a=done(0, cost_usd=0.0), b=done(0)),
        task(a=1, b=done(1, latency_ms=5.0, cost_usd=5.0)),
    )
    worth = pool.rewards("utility")
    assert worth[0] == pytest.approx([1.0, 0.2 / 0.8])
    assert worth[1] == pytest.approx([0.2 / 0.8, 0.0])
    assert worth[2, 0] == pytest.approx(1.0)


def test_no_outcome_has_no_worth() -> None:
    pool = pool_of(task(a=1), task(b=done(1, quality=0.4)))
    for reward in ("success", "utility"):
        assert np.isnan(pool.rewards(reward)).tolist() == [[False, True], [True, False]]
    assert np.isnan(pool.rewards("quality")).tolist() == [[True, True], [True, False]]


def test_quality_is_no_reward_where_none_is_known() -> None:
    with pytest.raises(DataFileError, match="no outcome has a quality"):
        constant(3, a=1).rewards("quality")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"all": ["a"]}', "has no pool 'small', but all"),
        ('{"small": []}', "names no agent"),
        ('{"small": "a"}', "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_pool_that_cannot_be_had_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "pools.json"
    file.write_text(text)
    with pytest.raises(DataFileError, match=message):
        read_pool_agents(file, "small")


def test_a_pool_is_found_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "pools.json"
    file.write_text('{"small": ["b", "a"], "all": ["c"]}')
    assert read_pool_agents(file, "small") == ["b", "a"]
