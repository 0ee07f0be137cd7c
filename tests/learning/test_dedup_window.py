"""The window of seen ids: bounded, exact inside its bound, oldest part forgotten first."""

from __future__ import annotations

from bisect import bisect_left
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core.learning.shards.dedup import GENERATIONS, DedupWindow, as_hashes, identity_hash

numbers = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=20), max_size=20)


def hashes(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.uint64)


def known(window: DedupWindow, number: int) -> bool:
    """Tell whether a hash is remembered, and leave the window as it was."""
    return not deepcopy(window).admit(hashes(number))[0]


def filled(most: int, size: int, batches: int) -> DedupWindow:
    """Return a window that has seen ascending numbers, each batch a second after the last."""
    window = DedupWindow(most)
    for batch in range(batches):
        window.admit(np.arange(batch * size, (batch + 1) * size, dtype=np.uint64), float(batch))
    return window


@settings(max_examples=100, deadline=None)
@given(numbers)
def test_a_window_that_is_large_enough_is_a_set(batches: list[list[int]]) -> None:
    window, seen = DedupWindow(10_000), set()
    for batch in batches:
        new = window.admit(hashes(*batch)).tolist()
        for number, is_new in zip(batch, new, strict=True):
            assert is_new == (number not in seen)
            seen.add(number)
    assert len(window) == len(seen)


@pytest.mark.promise("P5")
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 50), st.integers(1, 60))
def test_it_forgets_the_oldest_first_and_no_more_than_it_must(
    most: int, size: int, batches: int
) -> None:
    """What it remembers is the newest stretch of what it saw: one edge, and nothing missing."""
    window, total = filled(most, size, batches), size * batches
    edge = bisect_left(range(total), True, key=lambda number: known(window, number))
    assert len(window) == total - edge, "nothing behind the edge is missing"
    assert all(known(window, number) for number in range(edge, min(total, edge + 3)))
    assert not any(known(window, number) for number in range(max(0, edge - 3), edge))
    assert total - edge <= max(most, size + most // GENERATIONS), "no more than it may"
    assert total - edge >= min(total, most - most // GENERATIONS - size), "no less than it can"
    assert window.nbytes == 8 * len(window)


@pytest.mark.promise("P5")
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 50), st.integers(1, 60))
def test_the_watermark_is_when_what_it_remembers_began(most: int, size: int, batches: int) -> None:
    window = filled(most, size, batches)
    oldest = size * batches - len(window)
    assert window.watermark == oldest // size


@pytest.mark.promise("P5", "P13")
@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 30),
    st.lists(
        st.tuples(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(-50, 50)),
        max_size=40,
    ),
)
def test_whatever_came_after_the_watermark_is_known(
    most: int, batches: list[tuple[list[int], int]]
) -> None:
    """Also where the clock has jumped; and nothing is ever taken for a repeat that is none."""
    window, came_at, now = DedupWindow(most), {}, 0.0
    for batch, jump in batches:
        now += jump
        watermark = window.watermark
        for number, is_new in zip(batch, window.admit(hashes(*batch), now), strict=True):
            if is_new and number in came_at:
                assert came_at[number] <= watermark, "it counts again, and that is said"
            assert is_new or number in came_at
            if is_new:
                came_at[number] = now


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 200), st.integers(8, 400), st.integers(1, 20), st.integers(1, 40))
def test_a_resized_window_forgets_at_once_and_remembers_from_then_on(
    before: int, after: int, size: int, batches: int
) -> None:
    window = filled(before, size, batches)
    kept = len(window)
    window.resize(after)
    assert len(window) <= kept
    assert len(window) <= max(after, before // GENERATIONS + size)
    total = size * batches
    assert all(known(window, number) for number in range(total - len(window), total))
    window.admit(np.arange(total, total + after, dtype=np.uint64), 1e6)
    assert known(window, total + after - 1)
    assert len(window) <= max(after, after + after // GENERATIONS)


@settings(max_examples=50, deadline=None)
@given(numbers, st.integers(1, 50))
def test_remembering_again_is_having_admitted(batches: list[list[int]], most: int) -> None:
    """How a window is loaded: sorted pieces in their order."""
    admitted, loaded = DedupWindow(most), DedupWindow(most)
    for at, batch in enumerate(batches):
        fresh = admitted.admit(hashes(*batch), float(at))
        loaded.remember(np.sort(hashes(*batch)[fresh]), float(at))
    for number in range(41):
        assert known(loaded, number) == known(admitted, number)
    assert loaded.watermark == admitted.watermark


def test_a_window_that_has_seen_nothing_has_no_watermark() -> None:
    assert DedupWindow(10).watermark is None


def test_ids_are_hashed_with_their_tenant() -> None:
    assert identity_hash("a", "b") != identity_hash("ab", "")
    assert as_hashes([identity_hash("a", "b")]).dtype == np.uint64


def test_nothing_is_new_in_an_empty_batch() -> None:
    assert DedupWindow(10).admit(hashes()).tolist() == []
