"""Policies are compared on the same tasks in the same orders."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from olearn_core.config import DecisionSettings
from olearn_core.errors import ConfigError
from olearn_core.evaluation.json_lines import DataFileError
from olearn_core.evaluation.playing.comparison import compare
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.world import Change
from olearn_core.schemas import Preset
from tests.evaluation.pools import constant, done, game, pool_of, specialists, task

REFERENCES = ("random", "ts_global", "ts_per_type", "lin_ts", "classic")
DAY = 86_400.0


def test_the_figures_are_these() -> None:
    found = compare(game(specialists(30), "ts_per_type", "random"), seeds=2, processes=1).as_json()
    assert set(found) == {
        *("tasks", "agents", "decisions", "seeds"),
        *("random", "best_single", "per_type_best_cv", "best_single_agent", "policies"),
    }
    assert list(found["policies"]) == ["ts_per_type", "random"]
    for figures in found["policies"].values():
        assert set(figures) == {
            *("mean", "sd", "last_quarter", "normalised", "difference", "difference_se"),
            *("success_last_quarter", "cost_usd_last_quarter"),
        }
    assert (found["tasks"], found["agents"], found["decisions"], found["seeds"]) == (30, 3, 30, 2)
    json.dumps(found, allow_nan=False)


def test_success_and_cost_of_the_last_quarter_are_told() -> None:
    pool = pool_of(*(task(a=1, b=0) for _ in range(40)))
    pool = replace(pool, cost_usd=np.tile([0.02, 0.001], (40, 1)))
    found = compare(game(pool, "random"), seeds=4, processes=1).as_json()
    figures, best = found["policies"]["random"], found["best_single_agent"]
    assert best == {"agent_name": pool.agents[0], "success": 1.0, "cost_usd": pytest.approx(0.02)}
    share = figures["success_last_quarter"]
    assert share == pytest.approx(figures["last_quarter"])
    assert figures["cost_usd_last_quarter"] == pytest.approx(0.001 + 0.019 * share)


def test_a_preset_takes_the_place_of_the_reward() -> None:
    """Both agents succeed; the thrifty take the cheap one."""
    pool = pool_of(*(task(a=1, b=1) for _ in range(200)))
    pool = replace(pool, cost_usd=np.tile([0.02, 0.001], (200, 1)))

    def late_cost(preset: Preset | None) -> float:
        asked = replace(game(pool, "agent_selection"), preset=preset)
        figures = compare(asked, seeds=2, processes=1).as_json()["policies"]["agent_selection"]
        return float(figures["cost_usd_last_quarter"])

    assert late_cost("thrifty") < 0.003 < late_cost(None)


def test_passes_are_decisions() -> None:
    found = compare(game(specialists(30), passes=3), seeds=1, processes=1).as_json()
    assert (found["tasks"], found["decisions"]) == (30, 90)


def test_the_figures_are_those_of_the_rewards() -> None:
    comparison = compare(game(specialists(40), "random", "ts_per_type"), seeds=3, processes=1)
    first, second = comparison.played["random"].rewards, comparison.played["ts_per_type"].rewards
    figures = comparison.as_json()["policies"]["ts_per_type"]
    apart = second.mean(axis=1) - first.mean(axis=1)
    assert figures["mean"] == pytest.approx(second.mean())
    assert figures["sd"] == pytest.approx(second.mean(axis=1).std(ddof=1))
    assert figures["last_quarter"] == pytest.approx(second[:, 30:].mean())
    assert figures["difference"] == pytest.approx(apart.mean())
    assert figures["difference_se"] == pytest.approx(apart.std(ddof=1) / 3**0.5)


def test_all_policies_have_the_same_tasks_in_the_same_order() -> None:
    pool = pool_of(*(task(a=number / 50, b=number / 50) for number in range(50)))
    played = compare(game(pool, "random", "ts_global"), seeds=4, processes=1).played
    np.testing.assert_array_equal(played["random"].rewards, played["ts_global"].rewards)
    assert len(np.unique(played["random"].rewards, axis=0)) == 4, "seeds are different orders"


def test_the_same_seeds_bring_the_same_in_one_process_and_in_two() -> None:
    everybody = game(specialists(60), "agent_selection", *REFERENCES)
    alone = compare(everybody, seeds=3, processes=1)
    again, shared = compare(everybody, seeds=3, processes=1), compare(everybody, 3, processes=2)
    assert alone.as_json() == again.as_json() == shared.as_json()


def test_who_else_plays_changes_nobodys_orders() -> None:
    pool = specialists(40)
    one = compare(game(pool, "random"), seeds=2, processes=1).played["random"].rewards
    two = compare(game(pool, "random", "lin_ts"), seeds=2, processes=1).played["random"].rewards
    np.testing.assert_array_equal(one, two)


def test_an_unknown_policy_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match="no policy 'best', but agent_selection, classic"):
        compare(game(constant(3, a=1), "random", "best"), seeds=1, processes=1)


def test_the_registered_policy_and_the_older_formula_have_names_of_their_own() -> None:
    found = compare(game(specialists(12), "classic", "classic_policy"), seeds=1, processes=1)
    assert list(found.played) == ["classic", "classic_policy"]


@pytest.mark.parametrize(
    "pool",
    [pool_of(task(a=1)), constant(5, a=0.5, b=0.5), pool_of(task(a=0, b=0))],
    ids=["one of all", "ties", "all fail"],
)
def test_edges_are_played_and_not_normalised(pool: Pool) -> None:
    found = compare(game(pool, "agent_selection", *REFERENCES), seeds=2, processes=1).as_json()
    assert {figures["normalised"] for figures in found["policies"].values()} == {None}
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("reward", ["success", "quality", "utility"])
def test_every_reward_is_played(reward: str) -> None:
    good = done(1, quality=0.9, latency_ms=10.0, cost_usd=0.001)
    bad = done(0, quality=0.1, latency_ms=900.0, cost_usd=0.1)
    pool = pool_of(*(task(good=good, bad=bad, unknown=1) for _ in range(100)))
    found = compare(game(pool, "agent_selection", reward=reward), seeds=2, processes=1).as_json()
    assert found["policies"]["agent_selection"]["mean"] > found["random"]


def test_a_reward_that_nothing_has_is_refused() -> None:
    with pytest.raises(DataFileError, match="quality"):
        compare(game(constant(3, a=1), reward="quality"), seeds=1, processes=1)


def test_decisions_that_nobody_can_take_are_left_out() -> None:
    pool = pool_of(*(task(a=1) if number % 2 else task(b=0.5) for number in range(40)))
    changes = [Change("join", ("a",), 20)]
    found = compare(game(pool, "random", "ts_global", changes=changes), seeds=3, processes=1)
    rewards = found.played["random"].rewards
    assert len({int(np.isnan(row).sum()) for row in rewards}) > 1, "not as many in each order"
    json.dumps(found.as_json(), allow_nan=False)


def test_a_world_without_anybody_is_refused() -> None:
    pool = pool_of(task(a=done(1.0, quality=0.5)), *(task(a=1) for _ in range(9)))
    late = game(pool, changes=[Change("join", ("a",), 9)], reward="quality")
    with pytest.raises(DataFileError, match="no agent is there"):
        compare(late, seeds=1, processes=1)


@pytest.mark.parametrize("passes", [1, 3])
def test_a_change_after_the_last_decision_is_refused(passes: int) -> None:
    changes = [Change("join", ("a",), 3 * passes)]
    with pytest.raises(DataFileError, match=f"the last decision is {3 * passes - 1} "):
        compare(game(constant(3, a=1), changes=changes, passes=passes), seeds=1, processes=1)


def test_changes_are_reported_with_how_soon_each_policy_has_found_its_way() -> None:
    pool = constant(600, a=1, b=0, c=0)
    changes = [Change("swap", ("a", "b"), 300)]
    found = compare(
        game(pool, "random", "ts_global", changes=changes, passes=1), seeds=2, processes=1
    ).as_json()
    start, swapped = found["changes"]
    assert (start["after"], start["decision"]) == ("start", 0)
    assert (swapped["after"], swapped["decision"]) == ("swap a,b@300", 300)
    assert start["decisions_until_80_percent"]["random"] is None
    assert start["decisions_until_80_percent"]["ts_global"] < 50
    assert swapped["best"] == 1.0


def test_agent_selection_is_as_good_as_the_best_reference_on_specialists() -> None:
    playing = game(specialists(600, seed=5), "agent_selection", *REFERENCES)
    found = compare(playing, seeds=4, processes=1).as_json()["policies"]
    best = max(found[name]["mean"] for name in REFERENCES)
    assert found["agent_selection"]["mean"] > best - 0.02
    assert found["agent_selection"]["mean"] > found["random"]["mean"] + 0.3


def test_the_exploration_floor_is_part_of_the_game() -> None:
    pool = constant(300, a=1, b=0)
    means = [
        compare(
            game(pool, "agent_selection", decisions=DecisionSettings(exploration_floor=floor)),
            seeds=2,
            processes=1,
        )
        .played["agent_selection"]
        .means.mean()
        for floor in (0.0, 1.0)
    ]
    assert means[0] > 0.9
    assert means[1] == pytest.approx(0.5, abs=0.08)


def test_who_forgets_leaves_a_dead_agent_sooner() -> None:
    pool = constant(600, old=0.9, new=0.6)
    died = Change("kill", ("old",), 300)
    playing = game(pool, "agent_selection", changes=[died], span_seconds=60 * DAY)
    forgetting = {"success_prediction": {"strategy": "exponential", "half_life_days": 2.0}}
    after = [
        compare(replace(playing, models=models), seeds=3, processes=1)
        .played["agent_selection"]
        .rewards[:, 300:]
        .mean()
        for models in ({}, forgetting)
    ]
    assert after[1] > after[0] + 0.05
