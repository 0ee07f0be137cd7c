"""Bringing a series to as many points as a drawing has columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]


def resampled(times: Series, values: Series, start: float, end: float, columns: int) -> Series:
    """
    Return the value at each column between two times; NaN before the first and in gaps.

    Between two samples the line is straight; where either is NaN there is a gap.
    """
    if not len(times):
        return np.full(columns, np.nan)
    at = np.linspace(start, end, columns)
    found = np.interp(at, times, values, left=np.nan, right=np.nan)
    nearest = np.clip(np.searchsorted(times, at), 0, len(times) - 1)
    step = (end - start) / max(columns - 1, 1)
    # A lone sample shows as a dot, and the newest shows even between two columns.
    alone = np.abs(times[nearest] - at) <= step / 2
    found = np.where(np.isnan(found) & alone, values[nearest], found)
    return np.where(at > times[-1] + step, np.nan, found)


def window(times: Series, span_seconds: float | None) -> tuple[float, float]:
    """
    Return the first and the last second to show.

    :param span_seconds: how much of the time to show, None for all there is; where there is
        less, a tenth of it is shown at least, so that a new line grows from the right
    """
    start, end = float(times[0]), float(times[-1])
    if span_seconds is None:
        return start, max(end, start + 1)
    return max(end - span_seconds, min(start, end - span_seconds / 10)), end


def peaks(times: Series, values: Series, start: float, end: float, columns: int) -> Series:
    """
    Return the highest value in each column, so that no peak is lost.

    A column without samples has the one before it.
    """
    found = resampled(times, values, start, end, columns)
    inside = (times >= start) & (times <= end) & ~np.isnan(values)
    if not inside.any() or end <= start:
        return found
    places = ((times[inside] - start) / (end - start) * (columns - 1)).round().astype(int)
    np.fmax.at(found, places, values[inside])
    return found


def held(times: Series, values: Series, seconds: float) -> tuple[Series, Series]:
    """Return samples of which each holds for so long, with the end of the last."""
    if not len(times):
        return times, values
    return np.append(times, times[-1] + seconds), np.append(values, values[-1])


def series(values: Sequence[float | None]) -> Series:
    """Return numbers with NaN where there is none."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
