"""Drawing from a law, in a way that can be repeated."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from olearn_core.errors import PluginError
from olearn_core.statistics import FloatArray

TOLERANCE = 1e-6


def checked_law(probabilities: FloatArray, size: int) -> FloatArray:
    """
    Return a policy's law, normalised exactly.

    :raises PluginError: where it is not one
    """
    law = np.asarray(probabilities, dtype=np.float64)
    if law.shape != (size,) or not np.all(law >= 0) or abs(law.sum() - 1) > TOLERANCE:
        raise PluginError("the policy returned no law: shape, sign or sum is wrong")
    normalised: FloatArray = law / law.sum()
    return normalised


def greedy(scores: FloatArray) -> FloatArray:
    """Return the law that draws who has the highest score, evenly among equals."""
    best = scores == scores.max()
    law: FloatArray = best / best.sum()
    return law


def floored(law: FloatArray, floor: float) -> FloatArray:
    """Return the law with a share `floor` of it spread evenly."""
    return (1.0 - floor) * law + floor / len(law)


def cumulated(law: FloatArray) -> list[float]:
    """
    Return the running sums of a law, which is what draws are made from.

    From the last agent that can be drawn on they are 1, lest rounding draw one after it.
    """
    sums = np.cumsum(law)
    sums[np.flatnonzero(law)[-1] :] = 1.0
    drawn: list[float] = sums.tolist()
    return drawn


def draw(cumulated_law: Sequence[float], nonce: bytes) -> int:
    """Return the index drawn by a nonce; the same nonce draws the same."""
    seed = int.from_bytes(blake2b(nonce, digest_size=8).digest(), "big")
    point = (seed >> 11) * 2.0**-53
    return min(bisect_right(cumulated_law, point), len(cumulated_law) - 1)
