"""The window of seen ids: bounded, exact inside its bound, oldest quarter forgotten first."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core.learning.dedup import DedupWindow, as_hashes, identity_hash


def hashes(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.uint64)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=20), max_size=20))
def test_a_window_that_is_large_enough_is_a_set(batches: list[list[int]]) -> None:
    window, seen = DedupWindow(10_000), set()
    for batch in batches:
        new = window.admit(hashes(*batch)).tolist()
        for number, is_new in zip(batch, new, strict=True):
            assert is_new == (number not in seen)
            seen.add(number)
    assert len(window) == len(seen)


@settings(max_examples=50, deadline=None)
@given(st.integers(4, 400), st.integers(1, 50))
def test_it_never_holds_more_than_it_may_nor_forgets_the_newest_three_quarters(
    most: int, size: int
) -> None:
    window = DedupWindow(most)
    for start in range(0, 5 * most, size):
        window.admit(np.arange(start, start + size, dtype=np.uint64))
        newest = np.arange(max(0, start + size - (most * 3 // 4 - size - 4)), start + size)
        probe = newest[newest >= 0].astype(np.uint64)
        known = list(window._segments())
        held = set(np.concatenate(known).tolist()) if known else set()
        assert set(probe.tolist()) <= held
        assert len(window) <= most + 4 * size
        assert window.nbytes == 8 * len(window)


def test_ids_are_hashed_with_their_tenant() -> None:
    assert identity_hash("a", "b") != identity_hash("ab", "")
    assert as_hashes([identity_hash("a", "b")]).dtype == np.uint64


def test_nothing_is_new_in_an_empty_batch() -> None:
    assert DedupWindow(10).admit(hashes()).tolist() == []
