"""What a pool has to give is counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.yardsticks import Yardsticks, yardsticks
from tests.evaluation.pools import constant, pool_of, task


def of(pool: Pool) -> Yardsticks:
    return yardsticks(pool.rewards("success"), pool.task_types)


def test_specialists_are_worth_more_by_type_than_any_of_them_alone() -> None:
    mail, code = task("mail", a=1, b=0, c=0.5), task("code", a=0, b=1, c=0.5)
    found = of(pool_of(*[mail] * 30, *[code] * 10))
    assert found.random == pytest.approx(0.5)
    assert found.best_single == pytest.approx(0.75)
    assert found.per_type_best_cv == pytest.approx(1.0)
    assert found.normalised(0.5) == pytest.approx(0.0)
    assert found.normalised(0.75) == pytest.approx(0.5)
    assert found.normalised(0.4) == pytest.approx(-0.2)


def test_the_best_by_type_is_found_on_other_tasks_than_it_is_measured_on() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 2, size=(200, 40)).astype(float)
    found = yardsticks(noise, ["mail"] * 200)
    assert found.best_single > 0.55, "chosen in hindsight"
    assert found.per_type_best_cv == pytest.approx(0.5, abs=0.06)


def test_a_type_that_is_seen_once_gets_whoever_is_best_elsewhere() -> None:
    found = of(pool_of(*[task("mail", a=1, b=0)] * 20, task("plan", a=0, b=1)))
    assert found.per_type_best_cv == pytest.approx(20 / 21)


def test_where_the_best_did_not_do_a_task_the_next_one_counts() -> None:
    both, without = task("mail", a=1, b=0.5, c=0), task("mail", b=0.5, c=0)
    found = of(pool_of(*[both] * 10, *[without] * 10))
    assert found.best_single == pytest.approx(1.0)
    assert found.per_type_best_cv == pytest.approx(0.75)
    assert found.random == pytest.approx((0.5 + 0.25) / 2)


def test_tasks_that_nobody_did_count_for_nothing() -> None:
    pool = Pool.of([[task(a=1, b=0), task("code", c=1), task(a=1, b=0)]], ["a", "b"])
    assert of(pool).random == pytest.approx(0.5)
    assert of(pool).best_single == pytest.approx(1.0)


@pytest.mark.parametrize(
    "pool",
    [constant(9, a=0.7, b=0.7, c=0.7), constant(7, a=0.3), pool_of(task(a=1)), constant(3, a=0)],
    ids=["ties", "one agent", "one task and agent", "all fail"],
)
def test_nothing_is_normalised_where_chance_cannot_be_outdone(pool: Pool) -> None:
    found = of(pool)
    assert found.random == pytest.approx(found.per_type_best_cv)
    assert found.normalised(found.random) is None


def test_one_task_has_yardsticks_too() -> None:
    found = of(pool_of(task(a=1, b=0)))
    assert (found.random, found.best_single) == (0.5, 1.0)
