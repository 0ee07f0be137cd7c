"""The regularised incomplete beta function, of many agents at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olearn_core import FloatArray

IntArray = NDArray[np.int64]

STEPS = 256
NEXT_TO_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Betas:
    """
    Beta laws, tabulated in t = ln(x / (1 - x)), where their densities are smooth bells.

    :param start: t where each table begins, shape (laws,)
    :param step: between its entries, shape (laws,)
    :param cdf: shape (laws, STEPS + 1)
    :param rise: the distribution function's derivative, for one step
    """

    start: FloatArray
    step: FloatArray
    cdf: FloatArray
    rise: FloatArray

    @classmethod
    def of(cls, a: FloatArray, b: FloatArray) -> Betas:
        """Tabulate the laws Beta(a, b), all parameters at least 1."""
        sd = np.sqrt(1.0 / a + 1.0 / b)
        mode = np.log(a / b)
        start = mode - 5.5 * sd - 16.0 / a
        step = (mode + 5.5 * sd + 16.0 / b - start) / STEPS
        t = start[:, None] + step[:, None] * np.arange(0.0, STEPS + 0.25, 0.5)
        density = np.exp(_log_density(t, a, b) - _log_density(mode[:, None], a, b))
        simpson = (density[:, :-2:2] + 4.0 * density[:, 1::2] + density[:, 2::2]) / 6.0
        cdf = np.pad(np.cumsum(simpson, axis=1), ((0, 0), (1, 0)))
        return cls(start, step, cdf / cdf[:, -1:], density[:, ::2] / cdf[:, -1:])

    def take(self, laws: IntArray) -> Betas:
        """Return some of the laws."""
        return Betas(self.start[laws], self.step[laws], self.cdf[laws], self.rise[laws])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return between which x all but about 1e-7 of each law lies."""
        end = self.start + self.step * STEPS
        return 1.0 / (1.0 + np.exp(-self.start)), 1.0 / (1.0 + np.exp(-end))

    def __call__(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """
        Return F(x) and f(x), to about 1e-6.

        :param x: a column a law, shape (points, laws)
        """
        x = np.clip(x, NEXT_TO_NOTHING, 1.0 - NEXT_TO_NOTHING)
        place = (np.log(x / (1.0 - x)) - self.start) / self.step
        outside = (place < 0.0) | (place > STEPS)
        place = np.clip(place, 0.0, STEPS)
        cdf, rise = self._hermite(place)
        density = np.where(outside, 0.0, rise / (self.step * x * (1.0 - x)))
        return np.clip(cdf, 0.0, 1.0), np.maximum(density, 0.0)

    def _hermite(self, place: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the cubic through the tables' values and slopes, and its derivative."""
        left = np.minimum(place.astype(np.intp), STEPS - 1)
        s = place - left
        entry = left + np.arange(len(self.start)) * (STEPS + 1)
        low, low_rise = self.cdf.take(entry), self.rise.take(entry)
        gap, high_rise = self.cdf.take(entry + 1) - low, self.rise.take(entry + 1)
        square = 3.0 * gap - 2.0 * low_rise - high_rise
        cube = low_rise + high_rise - 2.0 * gap
        value = low + s * (low_rise + s * (square + s * cube))
        return value, low_rise + s * (2.0 * square + 3.0 * s * cube)


def _log_density(t: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    below: FloatArray = a[:, None] * np.logaddexp(0.0, -t)
    return -(below + b[:, None] * np.logaddexp(0.0, t))
