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


def share_interval(successes: float, n: float) -> tuple[float, float]:
    """
    Return the ends of the 95 % interval of a share, Wilson's as well; (0, 1) for n = 0.

    For means of numbers between 0 and 1 it is on the safe side: none varies more than a share.
    """
    if n <= 0:
        return 0.0, 1.0
    spread = Z_95**2 / n
    middle = (successes / n + spread / 2) / (1 + spread)
    half = share_interval_width(successes, n) / 2
    return max(0.0, middle - half), min(1.0, middle + half)
