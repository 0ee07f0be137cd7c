"""The law is what is drawn from, exactly: propensities are true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.decisions.draw import checked_law, cumulated, draw, floored
from olearn_core.errors import PluginError

laws = (
    st.lists(st.floats(0, 1), min_size=1, max_size=20)
    .filter(lambda weights: sum(weights) > 1e-6)
    .map(lambda weights: np.array(weights) / sum(weights))
)


def nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


@given(laws, st.binary(min_size=12, max_size=12))
def test_the_same_nonce_draws_the_same_and_never_what_has_no_probability(
    law: np.ndarray, seed: bytes
) -> None:
    chosen = draw(cumulated(law), seed)
    assert chosen == draw(cumulated(law.copy()), seed)
    assert law[chosen] > 0


@pytest.mark.parametrize("law", [[0.5, 0.5], [0.01, 0.99], [0.2, 0.0, 0.3, 0.5], [1.0]])
def test_frequencies_are_the_law_s(law: list[float]) -> None:
    draws = 20_000
    counts = np.bincount(
        [draw(cumulated(np.array(law)), nonce(i)) for i in range(draws)], minlength=len(law)
    )
    for count, probability in zip(counts.tolist(), law, strict=True):
        error = math.sqrt(probability * (1 - probability) / draws)
        assert abs(count / draws - probability) <= 5 * error


@given(laws)
def test_rounding_never_draws_an_agent_after_the_last_that_may_be(law: np.ndarray) -> None:
    """Running sums of floats may end below 1."""
    sums = cumulated(np.append(law * (1 - 1e-9), 0.0))
    assert sums[-1] == sums[int(np.flatnonzero(law)[-1])] == 1.0


@given(laws, st.floats(0, 1))
def test_the_floor_gives_everybody_a_share(law: np.ndarray, floor: float) -> None:
    raised = floored(law, floor)
    assert raised.sum() == pytest.approx(1)
    assert (raised >= floor / len(law) - 1e-12).all()


@pytest.mark.parametrize(
    "wrong", [[0.5, 0.4], [1.5, -0.5], [math.nan, 1.0], [1.0], [[0.5, 0.5]], [math.inf, 0.0]]
)
def test_what_is_no_law_is_refused(wrong: list[float]) -> None:
    with pytest.raises(PluginError, match="no law"):
        checked_law(np.array(wrong), 2)


def test_a_law_is_normalised_exactly() -> None:
    law = checked_law(np.array([0.3, 0.7000004]), 2)
    assert law.sum() == pytest.approx(1, abs=1e-15)
