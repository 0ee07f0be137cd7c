"""
`python -m tests.alerts.rates`: how often the drift alarm is false, and how soon it comes.

Cells live for five weeks and are looked at every second hour, with what buckets hold at
that time: 48 hours, and days before them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from olearn_core.alerts.changes import Change, Series, changes
from olearn_core.alerts.drift import HISTORY_DAYS, LIMIT, MEASURES

DAYS = 35
DRIFT_HOURS = 7 * 24
SUCCESS, _, LATENCY, _ = MEASURES


@dataclass(frozen=True)
class Cell:
    """
    What one cell's outcomes are like.

    :param rate: outcomes an hour
    :param level: success rate, or None for latency
    :param spread: of ln latency, from outcome to outcome
    :param day_sd: by how much days differ
    :param change: by how much the level changes, at the hour `begins`
    """

    rate: float
    level: float | None = None
    spread: float = 0.5
    day_sd: float = 0.0
    change: float = 0.0
    begins: int = 10**6

    def sums(self, rng: np.random.Generator, days: int) -> np.ndarray:
        """Return n, sum and sum of squares of each hour, shape (3, hours)."""
        hours = np.arange(24 * days)
        n = rng.poisson(self.rate, len(hours)).astype(float)
        shift = rng.normal(0, self.day_sd, days).repeat(24) + self.change * (hours >= self.begins)
        if self.level is not None:
            total = rng.binomial(n.astype(int), np.clip(self.level + shift, 0.001, 0.999))
            return np.stack([n, total, total])
        total = n * (7.0 + shift) + np.sqrt(n) * self.spread * rng.normal(size=len(n))
        squares = total**2 / np.maximum(n, 1) + np.maximum(n - 1, 0) * self.spread**2
        return np.stack([n, total, squares])


def seen_at(sums: np.ndarray, now: int) -> Series:
    """Return the buckets of an hour: the last 48 hours, days before them."""
    first = max(0, now - 24 * HISTORY_DAYS) // 24 * 24
    starts = np.arange(first, now)
    starts = np.where(starts < now - 48, starts // 24 * 24, starts)
    buckets, places = np.unique(starts, return_inverse=True)
    held = [np.bincount(places, row[first:now], minlength=len(buckets))[None] for row in sums]
    return Series(*held, buckets)


def first_alarm(
    cell: Cell, seed: int, days: int, hours: Iterable[int]
) -> tuple[int, Change] | None:
    """Return the first alarm of a cell, and at which of these hours it came."""
    sums = cell.sums(np.random.default_rng(seed), days)
    measure = LATENCY if cell.level is None else SUCCESS
    for now in hours:
        if found := changes(seen_at(sums, now), measure, now - DRIFT_HOURS, LIMIT):
            return now, found[0]
    return None


def false_alarms(cells: int) -> None:
    """Print how often cells alarm in which nothing changes."""
    looks = range(26, 24 * DAYS, 2)
    for name, success_sd, latency_sd in (("steady", 0.0, 0.0), ("days vary", 0.03, 0.05)):
        kinds = [Cell(r, p, 0, success_sd) for r in (0.3, 3, 30) for p in (0.5, 0.8, 0.95)]
        kinds += [Cell(r, None, s, latency_sd) for r in (0.3, 3, 30) for s in (0.3, 1.0)]
        found = [first_alarm(kind, seed, DAYS, looks) for kind in kinds for seed in range(cells)]
        alarms = sum(alarm is not None for alarm in found)
        print(f"{name}: {alarms} false alarms in {len(found) * DAYS} days of cells", flush=True)


def delays(cells: int) -> None:
    """Print how soon changes are found, after two weeks of history."""
    begins = 14 * 24
    looks = range(begins + 1, 21 * 24)
    for level, change in ((0.9, -0.4), (0.9, -0.1), (None, 0.4)):
        for rate in (3, 30):
            kind = Cell(rate, level, change=change, begins=begins)
            alarms = [first_alarm(kind, seed, 21, looks) for seed in range(cells)]
            found = [alarm for alarm in alarms if alarm is not None]
            said = f"level {level}, change {change}, {rate} an hour: found {len(found)} of {cells}"
            if found:
                wait = np.median([now - begins for now, _ in found])
                error = np.median([abs(change.start - begins) for _, change in found])
                said += f", after {wait:g} h, the time {error:g} h off"
            print(said, flush=True)


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    delays(size)
    false_alarms(size)
