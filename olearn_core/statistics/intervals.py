"""Intervals of shares."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959963984540054


def share_interval_width(successes: float, n: float) -> float:
    """
    Return the width of the 95 % interval of a share; 1 where nothing is known.

    Wilson's score interval (Wilson, JASA 1927).
    """
    if n <= 0:
        return 1.0
    share = successes / n
    spread = Z_95**2 / n
    return 2 * sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
