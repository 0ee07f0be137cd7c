"""How soon somebody has found the way again is counted from each change."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core.evaluation.playing.adaptation import WINDOW, Stretch, stretches
from olearn_core.evaluation.playing.match import Board, Rules
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.world import Change, World
from tests.evaluation.pools import constant, pool_of, task


def board(pool: Pool, *changes: Change) -> Board:
    return Board(World(pool, changes), Rules(), seed=0)


def stretch(size: int, start: int = 0) -> Stretch:
    return Stretch("start", start, start + size, random=0.0, best=1.0)


def test_without_changes_there_is_one_stretch() -> None:
    (found,) = stretches(board(constant(10, a=1, b=0)))
    assert found == Stretch("start", 0, 10, random=0.5, best=1.0)


def test_each_change_begins_a_stretch_with_chances_of_its_own() -> None:
    changes = [Change("join", ("c",), 4), Change("kill", ("a",), 7), Change("kill", ("b",), 99)]
    found = stretches(board(constant(10, a=1, b=0, c=0.8), *changes))
    assert [(one.name, one.start, one.end) for one in found] == [
        ("start", 0, 4),
        ("join c@4", 4, 7),
        ("kill a@7", 7, 10),
    ]
    assert [one.best for one in found] == pytest.approx([1.0, 1.0, 0.8])
    assert [one.random for one in found] == pytest.approx([0.5, 0.6, 0.8 / 3])


def test_changes_at_once_begin_one_stretch() -> None:
    changes = [Change("kill", ("a",), 3), Change("kill", ("b",), 3)]
    found = stretches(board(constant(6, a=1, b=1, c=1), *changes))
    assert [one.name for one in found] == ["start", "kill a@3, kill b@3"]


def test_the_best_is_that_of_each_task_type() -> None:
    mail, code = task("mail", a=1, b=0), task("code", a=0, b=1)
    (found,) = stretches(board(pool_of(*[mail] * 5, *[code] * 5)))
    assert (found.random, found.best) == pytest.approx((0.5, 1.0))


def test_where_nobody_is_there_yet_is_no_stretch() -> None:
    found = stretches(board(constant(10, a=1), Change("join", ("a",), 4)))
    assert [(one.name, one.start) for one in found] == [("join a@4", 4)]


@pytest.mark.parametrize("late", [0, 1, 30, 250])
def test_enough_is_80_percent_of_the_gain_over_a_window(late: int) -> None:
    rewards = np.array([[0.0] * late + [1.0] * 400])
    expected = max(0, late - WINDOW // 5)
    assert stretch(400 + late).decisions_until_enough(rewards) == expected


def test_what_was_gained_before_the_stretch_does_not_count() -> None:
    rewards = np.array([[1.0] * 200 + [0.0] * 150 + [1.0] * 150])
    assert stretch(300, start=200).decisions_until_enough(rewards) == 130
    assert stretch(150, start=200).decisions_until_enough(rewards) is None


def test_seeds_are_averaged() -> None:
    rewards = np.array([[1.0] * 200, [0.0] * 200])
    assert stretch(200).decisions_until_enough(rewards) is None
    assert stretch(200).decisions_until_enough(np.array([[1.0] * 200, [0.7] * 200])) == 0


def test_a_short_stretch_is_one_window() -> None:
    assert stretch(10).decisions_until_enough(np.full((2, 10), 0.8)) == 0
    assert stretch(10).decisions_until_enough(np.full((2, 10), 0.7)) is None


def test_decisions_that_nobody_could_take_are_left_out() -> None:
    rewards = np.full((1, 300), np.nan)
    assert stretch(300).decisions_until_enough(rewards) is None
    rewards[0, 150:] = 1.0
    assert stretch(300).decisions_until_enough(rewards) == 51
