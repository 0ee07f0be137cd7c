"""A player sees the tasks in one order, and learns from its own choices only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olearn_core.evaluation.playing.match import Board, Rules, play
from olearn_core.evaluation.playing.player import Seen
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.world import Change, World
from tests.evaluation.pools import constant, pool_of, task


class Recorder:
    """Always chooses the last eligible agent, and writes down what it is asked and told."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[int], float]] = []
        self.learned: list[Seen] = []
        self.known_at: list[int] = []

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        self.asked.append((task, list(eligible), at_seconds))
        self.known_at.append(sum(len(seen.tasks) for seen in self.learned))
        return eligible[-1]

    def learn(self, seen: Seen) -> None:
        self.learned.append(seen)


def board(pool: Pool, *changes: Change, seed: int = 0, **rules) -> Board:
    return Board(World(pool, changes), Rules(**rules), seed)


def numbered(size: int) -> Pool:
    """Return a pool where what an agent brings tells which task it was."""
    return pool_of(*(task(a=number / 100, b=number / 100) for number in range(size)))


def test_each_pass_has_every_task_once_in_an_order_of_its_own() -> None:
    order = board(numbered(30), passes=2).order
    first, second = order[:30].tolist(), order[30:].tolist()
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second


def test_an_order_is_its_seeds() -> None:
    pool = numbered(30)
    assert board(pool, seed=4).order.tolist() == board(pool, seed=4).order.tolist()
    assert board(pool, seed=4).order.tolist() != board(pool, seed=5).order.tolist()


def test_files_are_shuffled_within_and_stay_in_their_order() -> None:
    pool = Pool.of([[task(a=1) for _ in range(10)], [task(a=0) for _ in range(20)]])
    order = board(pool).order.tolist()
    assert sorted(order[:10]) == list(range(10))
    assert order[:10] != list(range(10))
    assert board(pool).rewards[:, 0].tolist() == [1.0] * 10 + [0.0] * 20


def test_one_pass_covers_the_span() -> None:
    times = board(numbered(10), passes=2, span_seconds=100.0).times
    np.testing.assert_allclose(np.diff(times), 10.0)


def test_outcomes_are_learned_in_batches_after_they_were_chosen() -> None:
    player = Recorder()
    play(player, board(numbered(10), batch=4))
    assert player.known_at == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]


def test_what_is_learned_is_what_was_chosen() -> None:
    player, on = Recorder(), board(numbered(6), batch=1)
    rewards = play(player, on)
    assert rewards.tolist() == [task / 100 for task, _, _ in player.asked]
    for (row, eligible, at_seconds), seen in zip(player.asked, player.learned, strict=True):
        assert (seen.tasks.tolist(), seen.arms.tolist()) == ([row], [eligible[-1]])
        assert seen.at_seconds.tolist() == [at_seconds]
        assert seen.rewards.tolist() == [row / 100]


def test_a_swapped_agent_is_learned_in_its_seat_with_the_others_work() -> None:
    player = Recorder()
    rewards = play(player, board(constant(4, a=1, b=0), Change("swap", ("a", "b"), 2), batch=1))
    assert rewards.tolist() == [0, 0, 1, 1]
    assert [seen.arms.tolist() for seen in player.learned] == [[1]] * 4
    assert [seen.sources.tolist() for seen in player.learned] == [[1], [1], [0], [0]]


def test_who_has_no_outcome_on_a_task_cannot_be_chosen_for_it() -> None:
    player = Recorder()
    play(player, board(pool_of(task(a=1), task(b=1), task(a=1, b=1))))
    assert {row: eligible for row, eligible, _ in player.asked} == {0: [0], 1: [1], 2: [0, 1]}


def test_where_nobody_can_be_chosen_nobody_is_asked() -> None:
    player = Recorder()
    rewards = play(player, board(constant(5, a=1), Change("join", ("a",), 3), batch=1))
    np.testing.assert_array_equal(rewards, [np.nan, np.nan, np.nan, 1, 1])
    assert len(player.asked) == len(player.learned) == 2
