"""What is said of a run."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core.evaluation.fleet import DEGRADED, NEWCOMER, Fleet
from olearn_core.evaluation.learned import WINDOW, adoption, departure, has_learned, parts


@pytest.fixture(scope="module")
def fleet():
    return Fleet(2_000, 5)


def at_random(fleet):
    return np.random.default_rng(0).integers(len(fleet.rewards[0]), size=fleet.size)


def test_the_best_choices_take_all_there_is(fleet):
    tenths = parts(fleet, fleet.best)
    assert [part.best_share for part in tenths] == [1.0] * 10
    assert [part.captured for part in tenths] == pytest.approx([1.0] * 10)
    assert (tenths[0].first, tenths[-1].last) == (0, fleet.size)
    assert has_learned(tenths)


def test_random_choices_take_next_to_nothing(fleet):
    tenths = parts(fleet, at_random(fleet))
    assert abs(np.mean([part.captured for part in tenths])) < 0.15
    assert not has_learned(tenths)


def test_the_best_choices_notice_each_change_in_one_window(fleet):
    # Half a window turns when it is half full, but only whole windows are looked at.
    assert adoption(fleet, fleet.best).concerned == WINDOW
    assert departure(fleet, fleet.best).concerned == WINDOW
    assert adoption(fleet, fleet.best).decisions >= WINDOW


def test_who_never_notices_is_told_so(fleet):
    stubborn = np.where(np.arange(fleet.size) % 2, DEGRADED, NEWCOMER)
    stubborn[:] = DEGRADED
    assert adoption(fleet, stubborn) is None
    assert departure(fleet, stubborn) is None


def test_a_run_too_short_for_a_window_says_nothing():
    short = Fleet(40, 0)
    assert adoption(short, short.best) is None
