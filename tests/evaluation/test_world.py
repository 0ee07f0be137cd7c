"""The world changes exactly at the decision that is named."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core.evaluation.json_lines import DataFileError
from olearn_core.evaluation.playing.match import Board, Rules
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.world import Change, World
from tests.evaluation.pools import done, pool_of, task


def pool() -> Pool:
    one = {
        "a": done(1, quality=0.9, latency_ms=10, cost_usd=1),
        "b": done(0, quality=0.1, latency_ms=20, cost_usd=2),
    }
    return pool_of(*(task(**one) for _ in range(10)))


def board(*changes: Change) -> Board:
    return Board(World(pool(), changes), Rules(), seed=3)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("swap", "a,b@7", Change("swap", ("a", "b"), 7)),
        ("swap", "a, b@7", Change("swap", ("a", "b"), 7)),
        ("join", "a@0", Change("join", ("a",), 0)),
        ("kill", "me@home@12", Change("kill", ("me@home",), 12)),
    ],
)
def test_changes_are_read(kind, text: str, expected: Change) -> None:
    assert Change.read(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("swap", "a@3"),
        ("swap", "a,b,c@3"),
        ("swap", "a,a@3"),
        ("swap", "a,b"),
        ("kill", "a@"),
        ("kill", "@3"),
        ("kill", "a@-3"),
        ("join", "a@x"),
        ("join", ""),
    ],
)
def test_a_malformed_change_is_refused(kind, text: str) -> None:
    with pytest.raises(ValueError, match="it looks like"):
        Change.read(kind, text)


@pytest.mark.parametrize("kind", ["join", "kill"])
def test_an_unknown_agent_is_refused(kind) -> None:
    with pytest.raises(DataFileError, match="'zoe' is not in the pool"):
        World(pool(), [Change(kind, ("zoe",), 3)])


@pytest.mark.parametrize("at", [0, 1, 6, 9])
def test_a_swap_exchanges_what_two_agents_do_from_then_on(at: int) -> None:
    rewards = board(Change("swap", ("a", "b"), at)).rewards
    assert rewards[:, 0].tolist() == [1.0] * at + [0.0] * (10 - at)
    assert rewards[:, 1].tolist() == [0.0] * at + [1.0] * (10 - at)


def test_two_swaps_put_things_back() -> None:
    rewards = board(Change("swap", ("b", "a"), 6), Change("swap", ("a", "b"), 2)).rewards
    assert rewards[:, 0].tolist() == [1, 1, 0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("at", [0, 1, 6, 10])
def test_who_joins_is_not_there_before(at: int) -> None:
    eligible = board(Change("join", ("a",), at)).eligible
    assert eligible[:, 0].tolist() == [False] * at + [True] * (10 - at)
    assert eligible[:, 1].all()


@pytest.mark.parametrize("at", [0, 1, 6, 9])
def test_the_dead_are_still_there_and_fail(at: int) -> None:
    dead = board(Change("kill", ("a",), at))
    assert dead.eligible.all()
    assert dead.rewards[:, 0].tolist() == [1.0] * at + [0.0] * (10 - at)
    assert not dead.rewards[:, 1].any()


def test_a_dead_agent_takes_as_long_and_costs_as_much_as_before() -> None:
    world = World(pool(), [Change("kill", ("a",), 4)])
    alive, dead = world.sources(3)[0], world.sources(4)[0]
    recorded = world.pool
    assert (recorded.success[:, dead] == 0).all()
    assert (recorded.quality[:, dead] == 0).all()
    np.testing.assert_array_equal(recorded.latency_ms[:, dead], recorded.latency_ms[:, alive])
    np.testing.assert_array_equal(recorded.cost_usd[:, dead], recorded.cost_usd[:, alive])


def test_what_was_not_known_of_a_dead_agent_stays_unknown() -> None:
    world = World(pool_of(task(a=1), task(b=1)), [Change("kill", ("a",), 0)])
    dead = world.sources(0)[0]
    np.testing.assert_array_equal(world.pool.success[:, dead], [0.0, np.nan])
    assert np.isnan(world.pool.quality).all()


def test_a_death_changes_no_scale() -> None:
    timed = pool_of(*(task(a=done(1, latency_ms=ms, cost_usd=ms)) for ms in (1.0, 2.0, 9.0)))
    assert World(timed, [Change("kill", ("a",), 1)]).pool.scales == timed.scales


def test_a_change_after_the_last_decision_never_happens() -> None:
    late = board(Change("kill", ("a",), 10), Change("swap", ("a", "b"), 99))
    assert late.rewards[:, 0].all()
