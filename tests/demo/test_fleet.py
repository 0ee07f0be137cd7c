"""The demo's world."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core.evaluation.fleet import AGENTS, DEGRADED, NEWCOMER, TASK_TYPES, Fleet

SEEDS = range(10)


def test_the_same_seed_makes_the_same_world():
    first, again, other = Fleet(500, 1), Fleet(500, 1), Fleet(500, 2)
    assert np.array_equal(first.rewards, again.rewards)
    assert first.execute(7, 3) == again.execute(7, 3)
    assert not np.array_equal(first.rewards, other.rewards)


def test_eight_agents_of_whom_one_joins_late():
    fleet = Fleet(1_000, 0)
    assert len(AGENTS) == 8
    assert AGENTS[NEWCOMER] not in fleet.available(fleet.joins_at - 1)
    assert tuple(fleet.available(fleet.joins_at)) == AGENTS


@pytest.mark.parametrize("seed", SEEDS)
def test_different_agents_are_best_at_different_tasks(seed):
    fleet = Fleet(2_000, seed)
    early = slice(0, fleet.joins_at)
    best = {(fleet.task_type(i), AGENTS[fleet.best[i]]) for i in range(*early.indices(2_000))}
    assert len(best) == len(TASK_TYPES)
    assert len({agent for _, agent in best}) == len(TASK_TYPES)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_newcomer_is_best_once_it_is_there_and_the_degraded_one_until_it_breaks(seed):
    fleet = Fleet(2_000, seed)
    assert NEWCOMER not in fleet.best[: fleet.joins_at]
    assert NEWCOMER in fleet.best[fleet.joins_at :]
    assert DEGRADED in fleet.best[: fleet.degrades_at]
    assert DEGRADED not in fleet.best[fleet.degrades_at :]


def test_expected_rewards_are_what_comes_about_on_average():
    fleet = Fleet(20_000, 3)
    late = fleet.degrades_at
    difference = fleet.rewards[late:] - fleet.expected[late:]
    assert np.abs(difference.mean(axis=0)).max() < 0.01
