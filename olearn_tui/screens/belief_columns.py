"""How beliefs and estimates are written in tables."""

from __future__ import annotations

from olearn_tui import formats

UNITLESS = ("share", "probability", "score")


def with_unit(name: str, unit: str) -> str:
    """Return what is believed of, with its unit where it has one."""
    return name if unit in UNITLESS or not unit else f"{name}, {unit}"


def interval(low: float, high: float) -> str:
    """Return an interval of numbers of any size."""
    return f"{formats.number(low)} … {formats.number(high)}"
