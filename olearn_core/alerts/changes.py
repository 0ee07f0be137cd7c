"""
Finding a change in a history of sums: which split of it explains it best?

For each split the likelihood of two levels is held against that of one (a
generalised likelihood ratio): of the binomial law for success, of the normal law
for the others. An agent's task types are strata, each compared with itself, so
that another mix of tasks is no change. The ratio is divided by how much more
buckets differ among themselves than chance explains (quasi-likelihood: McCullagh
and Nelder, "Generalized Linear Models", 1989), so that the usual ups and downs of
hours and days are none either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from olearn_core.statistics import FloatArray, IntArray
from olearn_core.statistics.arrays import BoolArray

FEWEST_BEFORE = 30
FEWEST_AFTER = 10
PRIOR_BUCKETS = 10.0
HOURS_BEFORE = 24


@dataclass(frozen=True, slots=True)
class Measure:
    """
    What is watched of outcomes.

    :param count: column that counts its events
    :param column: column of its sum, `squares` of its squares, both in `steps` a unit
    :param is_share: whether it is a success rate
    :param least_sd: what outcomes are taken to vary at least, in its unit
    :param least_change: what is worth an alert, in its unit (ln for latency and cost)
    """

    component: str
    count: str
    column: str
    squares: str
    is_share: bool
    least_sd: float
    least_change: float
    steps: float = 1e3


@dataclass(frozen=True, slots=True)
class Series:
    """
    Sums of a measure in its unit, shape (strata, buckets).

    :param starts: of the buckets, in hours since 1970, ascending
    """

    n: FloatArray
    total: FloatArray
    squares: FloatArray
    starts: IntArray

    def behind(self, change: Change) -> Series:
        """Return what comes behind a change, of its stratum only or of all together."""
        rows = slice(None) if change.row == len(self.n) else slice(change.row, change.row + 1)
        at = int(np.searchsorted(self.starts, change.start))
        n, total, squares = (part[rows, at:] for part in (self.n, self.total, self.squares))
        return Series(n, total, squares, self.starts[at:])


@dataclass(frozen=True, slots=True)
class Change:
    """
    The best split of one row of a series.

    :param row: the stratum, or their number for all together
    :param start: of the first bucket behind it, in hours since 1970
    :param before: level that was to be expected behind it
    :param n_before: events before it
    :param ratio: how much likelier two levels are than one, twice its logarithm, scatter discounted
    """

    row: int
    start: int
    before: float
    after: float
    n_before: int
    n_after: int
    ratio: float


def changes(series: Series, measure: Measure, earliest: int, limit: float) -> list[Change]:
    """
    Return the change of each stratum, and of all together, that is beyond chance.

    Behind an old change one looks for a new one: the old level is not what to compare with.

    :param earliest: hour before which a change is old
    :param limit: of the likelihood ratio
    """
    found = []
    for change in _best(series, measure, limit):
        if change.start >= earliest:
            found.append(change)
            continue
        later = series.behind(change)
        whole = [c for c in changes(later, measure, earliest, limit) if c.row == len(later.n)]
        found += [replace(again, row=change.row) for again in whole]
    return found


def _best(series: Series, measure: Measure, limit: float) -> list[Change]:
    if len(series.starts) < 2:
        return []
    splits = _Splits.of(series, measure)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = splits.beyond_scatter(splits.ratio(measure))
        expected, after = splits.expected / splits.n_after, splits.after / splits.n_after
    starts = series.starts[1:]
    allowed = starts - series.starts[0] >= HOURS_BEFORE
    enough = (splits.n_before >= FEWEST_BEFORE) & (splits.n_after >= FEWEST_AFTER)
    large = np.abs(after - expected) >= measure.least_change
    ratio = np.where(allowed & enough & large, np.nan_to_num(ratio), 0.0)
    best = ratio.argmax(axis=1)
    return [
        Change(
            row,
            int(starts[at]),
            float(expected[row, at]),
            float(after[row, at]),
            int(splits.n_before[row, at]),
            int(splits.n_after[row, at]),
            float(ratio[row, at]),
        )
        for row, at in enumerate(best.tolist())
        if ratio[row, at] >= limit
    ]


@dataclass(frozen=True, slots=True)
class _Splits:
    """
    What lies before and behind each split, shape (strata + 1, splits); the last row is their sum.

    :param pooled_before: sum before the split, had the level never changed
    :param expected: sum behind the split, were the level the one before
    :param variance: of `after - pooled_after` by chance
    :param by_bucket: how buckets scatter around the two levels, in variances
    :param buckets: how many of them are free to
    :param by_day: the same of whole days, which their hours have in common
    """

    n_before: FloatArray
    n_after: FloatArray
    before: FloatArray
    after: FloatArray
    pooled_before: FloatArray
    pooled_after: FloatArray
    expected: FloatArray
    variance: FloatArray
    by_bucket: FloatArray
    buckets: FloatArray
    by_day: FloatArray
    days: FloatArray

    @classmethod
    def of(cls, series: Series, measure: Measure) -> _Splits:
        """Sum up each stratum from both ends."""
        n_before, before = _up_to(series.n), _up_to(series.total)
        n, total = series.n.sum(axis=1)[:, None], series.total.sum(axis=1)[:, None]
        n_after, after = n - n_before, total - before
        both = (n_before > 0) & (n_after > 0)
        level = total / np.maximum(n, 1.0)
        variance = _variance(series, measure)
        shrunk = [np.where(both, x, 0.0) for x in (n_before, n_after, before, after)]
        per_event = np.where(both, before / np.maximum(n_before, 1.0), 0.0)
        parts = [
            *shrunk,
            shrunk[0] * level,
            shrunk[1] * level,
            shrunk[1] * per_event,
            np.where(both, n_before * n_after / np.maximum(n, 1.0) * variance, 0.0),
            *_scatters(series, both, variance, np.arange(len(series.starts))),
            *_scatters(series, both, variance, series.starts // 24),
        ]
        return cls(*(np.concatenate([part, part.sum(axis=0)[None]]) for part in parts))

    def ratio(self, measure: Measure) -> FloatArray:
        """Return the likelihood ratio of each split."""
        if measure.is_share:
            gain = _gain(self.n_before, self.before, self.pooled_before)
            gain += _gain(self.n_after, self.after, self.pooled_after)
            doubled: FloatArray = 2.0 * gain
            return doubled
        n = np.maximum(self.n_before + self.n_after, 1.0)
        explained = (self.after - self.pooled_after) ** 2 / np.maximum(self.variance, 1e-300)
        ratio: FloatArray = -n * np.log1p(-np.minimum(explained / n, 0.999))
        return ratio

    def beyond_scatter(self, ratio: FloatArray) -> FloatArray:
        """
        Return the ratio with the scatter of buckets and of days taken for chance too.

        The fewer days there are to tell that scatter from, the less a ratio is
        worth: F of 1 and d degrees of freedom has the tail of d ln(1 + F / d).
        """
        buckets = (self.by_bucket + PRIOR_BUCKETS) / (self.buckets + PRIOR_BUCKETS)
        freedom = self.days + PRIOR_BUCKETS
        days = (self.by_day + PRIOR_BUCKETS) / freedom
        scatter = np.maximum(1.0, np.maximum(buckets, days))
        worth: FloatArray = freedom * np.log1p(ratio / scatter / freedom)
        return worth


def _up_to(values: FloatArray) -> FloatArray:
    """Return running sums, without the last, which leaves nothing behind."""
    return np.cumsum(values, axis=1)[:, :-1]


def _variance(series: Series, measure: Measure) -> FloatArray:
    """Return the variance of each stratum's outcomes around their mean, (strata, 1)."""
    n, total = series.n.sum(axis=1), series.total.sum(axis=1)
    squares = series.squares.sum(axis=1) - total**2 / np.maximum(n, 1.0)
    variance: FloatArray = squares / np.maximum(n - 1.0, 1.0)
    return np.maximum(variance, measure.least_sd**2)[:, None]


def _scatters(
    series: Series, both: BoolArray, variance: FloatArray, groups: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return how groups of buckets scatter around the levels of their side, and their freedom."""
    before = _scatter(series.n, series.total, groups)
    behind = _scatter(series.n[:, ::-1], series.total[:, ::-1], -groups[::-1])
    scatter = before[0] + behind[0][:, ::-1]
    freedom = before[1] + behind[1][:, ::-1]
    return np.where(both, scatter / variance, 0.0), np.where(both, freedom, 0.0)


def _scatter(n: FloatArray, total: FloatArray, groups: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the squares of groups' sums around their mean, up to each split, and their freedom."""
    first = np.searchsorted(groups, groups)
    last = np.append(np.diff(groups) != 0, True)
    own_n, own = (_since(x, first) for x in (n, total))
    filled = own_n > 0
    square = np.where(filled, own**2 / np.maximum(own_n, 1.0), 0.0)
    squares = _before(np.where(last, square, 0.0), first) + square
    count = _before(filled & last, first) + filled
    whole = _up_to(total) ** 2 / np.maximum(_up_to(n), 1.0)
    return np.maximum(squares[:, :-1] - whole, 0.0), np.maximum(count[:, :-1] - 1.0, 0.0)


def _before(values: FloatArray | BoolArray, first: IntArray) -> FloatArray:
    """Return the sum of all that lies before each bucket's group."""
    sums = np.pad(np.cumsum(values.astype(np.float64), axis=1), ((0, 0), (1, 0)))
    taken: FloatArray = sums.take(first, axis=1)
    return taken


def _since(values: FloatArray, first: IntArray) -> FloatArray:
    """Return running sums that begin anew with each group."""
    sums: FloatArray = np.cumsum(values, axis=1) - _before(values, first)
    return sums


def _gain(n: FloatArray, total: FloatArray, pooled: FloatArray) -> FloatArray:
    """Return n KL(total / n || pooled / n) of binomial laws, 0 where there is nothing."""
    n = np.maximum(n, 1e-12)
    own, given = np.clip(total / n, 0.0, 1.0), np.clip(pooled / n, 1e-9, 1.0 - 1e-9)
    hits = np.where(own > 0, own * np.log(np.maximum(own, 1e-300) / given), 0.0)
    misses = 1.0 - own
    lost = np.where(misses > 0, misses * np.log(np.maximum(misses, 1e-300) / (1.0 - given)), 0.0)
    gain: FloatArray = n * (hits + lost)
    return gain
