"""Numbers, spans and times as text of steady width."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NOTHING = "-"
UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SPANS = ((86_400, "d"), (3_600, "h"), (60, "m"))
LEVELS = "▁▂▃▄▅▆▇"  # not the full block: rows would touch


def compact(value: float | None) -> str:
    """Return a number in at most five characters: 7, 12.4, 950, 1.28k, 50.1k, 3.2M."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    for unit, suffix in UNITS:
        if size >= unit * 0.9995:
            return f"{_three(value / unit)}{suffix}"
    return _three(value) if value % 1 else f"{value:.0f}"


def _three(value: float) -> str:
    """Return a number with three significant digits."""
    size = abs(value)
    return f"{value:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def share(value: float | None, digits: int = 3) -> str:
    """Return a share between 0 and 1."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in per cent."""
    return NOTHING if value is None else f"{100 * value:.{digits}f} %"


def number(value: float) -> str:
    """Return a number of any size: six decimals below 0.01, three below 10, else three digits."""
    if 0 < abs(value) < 0.01:
        return f"{value:.6f}"
    return f"{value:.3f}" if abs(value) < 10 else compact(value)


def count(value: float | None) -> str:
    """Return a whole number, its thousands apart."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\u202f")


def milliseconds(value: float | None) -> str:
    """Return milliseconds: with a decimal below ten."""
    if value is None:
        return NOTHING
    return f"{value:.1f}" if value < 9.95 else count(value)


def usd(value: float | None) -> str:
    """Return an amount of money to a hundredth of a cent."""
    return NOTHING if value is None else f"{value:.4f}"


def span(seconds: float | None) -> str:
    """Return how long something is ago or takes, in its biggest unit: 20 ms, 12 s, 3 m, 5 h."""
    if seconds is None:
        return NOTHING
    for size, unit in SPANS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1_000:.0f} ms"
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"


def clock(timestamp: str | float | None) -> str:
    """Return a time of the API, or seconds since 1970, as the clock here shows it."""
    moment = moment_of(timestamp)
    return NOTHING if moment is None else f"{moment.astimezone():%H:%M:%S}"


def date_and_clock(timestamp: str | float | None) -> str:
    """Return the same with its day."""
    moment = moment_of(timestamp)
    return NOTHING if moment is None else f"{moment.astimezone():%m-%d %H:%M:%S}"


def date_and_hour(timestamp: str | None) -> str:
    """Return the hour that a time begins, with its day."""
    moment = moment_of(timestamp)
    return NOTHING if moment is None else f"{moment.astimezone():%m-%d %H} h"


def moment_of(timestamp: str | float | None) -> datetime | None:
    """Return a time of the API, None where it is none."""
    if isinstance(timestamp, str):
        try:
            return datetime.fromisoformat(timestamp)
        except ValueError:
            return None
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def bar(value: float | None, width: int) -> str:
    """Return a bar of up to `width` cells for a share, to half a cell."""
    whole, half = divmod(round(max(0.0, min(1.0, value or 0.0)) * width * 2), 2)
    return ("━" * whole + "╸" * half).ljust(width)


def sparks(values: list[float], width: int) -> str:
    """Return the newest values as a line of small bars, lowest to highest of them."""
    shown = [value for value in values[-width:] if math.isfinite(value)]
    if not shown:
        return " " * width
    low, high = min(shown), max(shown)
    reach = max(high - low, 1e-9)
    flat = high - low < 1e-9
    marks = [LEVELS[3 if flat else round((value - low) / reach * 6)] for value in shown]
    return "".join(marks).rjust(width)


def shortened(text: str, width: int) -> str:
    """Return a text in so many cells: one too long lacks its middle, as names differ at ends."""
    if len(text) <= width:
        return text
    end = max(0, width - 1) // 2
    return text[: max(0, width - 1 - end)] + "…" * (width > 0) + text[len(text) - end :]


def printable(text: str) -> str:
    """Return a stranger's text without what would steer the terminal."""
    return "".join(char if char.isprintable() else "·" for char in text)
