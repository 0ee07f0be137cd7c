"""What a service has learned of a fleet: its choices held against chance and the best possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from olearn_core.evaluation.fleet import DEGRADED, NEWCOMER, Fleet

Indices = NDArray[np.intp]

PARTS = 10
JUDGED_PARTS = 3
ENOUGH = 0.75
WINDOW = 20


@dataclass(frozen=True, slots=True)
class Part:
    """
    A part of the run.

    :param best_share: of choices that were the best agent
    :param reward: mean of what came about
    :param random_reward: mean of what all agents would have brought
    :param best_reward: mean of what the best agent would have brought
    """

    first: int
    last: int
    best_share: float
    reward: float
    random_reward: float
    best_reward: float

    @property
    def captured(self) -> float:
        """Which share of what can be gained over chance has been gained."""
        possible = self.best_reward - self.random_reward
        return (self.reward - self.random_reward) / possible if possible else 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """
    How long it took to notice a change.

    :param decisions: from the change on, of all task types
    :param concerned: of them, those of the task types that it concerns
    """

    decisions: int
    concerned: int


def part(fleet: Fleet, chosen: Indices, first: int, last: int) -> Part:
    """Return what the choices from `first` to before `last` brought."""
    rows = np.arange(first, last)
    rewards, joined = fleet.rewards[rows], fleet.expected[rows] >= 0
    best = fleet.best[rows]
    return Part(
        first=first,
        last=last,
        best_share=float((chosen[rows] == best).mean()),
        reward=float(fleet.rewards[rows, chosen[rows]].mean()),
        random_reward=float((np.where(joined, rewards, 0).sum(axis=1) / joined.sum(axis=1)).mean()),
        best_reward=float(fleet.rewards[rows, best].mean()),
    )


def parts(fleet: Fleet, chosen: Indices) -> list[Part]:
    """Return the run by tenths."""
    edges = np.linspace(0, fleet.size, PARTS + 1).astype(int).tolist()
    return [part(fleet, chosen, first, last) for first, last in pairwise(edges)]


def has_learned(tenths: Sequence[Part]) -> bool:
    """Whether the last tenths took most of what can be gained over chance."""
    judged = tenths[-JUDGED_PARTS:]
    gained = sum(p.reward - p.random_reward for p in judged)
    return gained >= ENOUGH * sum(p.best_reward - p.random_reward for p in judged)


def adoption(fleet: Fleet, chosen: Indices) -> Turn | None:
    """Return when the newcomer did half of the tasks that suit it best, None for never."""
    after = np.arange(fleet.joins_at, fleet.size)
    concerned = after[fleet.best[after] == NEWCOMER]
    is_newcomer = chosen[concerned] == NEWCOMER
    return _turn(fleet.joins_at, concerned, is_newcomer, least=WINDOW // 2)


def departure(fleet: Fleet, chosen: Indices) -> Turn | None:
    """Return when the degraded agent did but a quarter of its tasks, None for never."""
    before, after = np.arange(fleet.degrades_at), np.arange(fleet.degrades_at, fleet.size)
    formerly = np.unique(fleet.tasks[before[fleet.best[before] == DEGRADED]])
    concerned = after[np.isin(fleet.tasks[after], formerly)]
    is_other = chosen[concerned] != DEGRADED
    return _turn(fleet.degrades_at, concerned, is_other, least=WINDOW * 3 // 4)


def _turn(start: int, concerned: Indices, turned: NDArray[np.bool_], least: int) -> Turn | None:
    """Return the end of the first window in which `least` choices had turned."""
    if len(turned) < WINDOW:
        return None
    counts = np.convolve(turned, np.ones(WINDOW, dtype=int), "valid")
    reached = np.flatnonzero(counts >= least)
    if not reached.size:
        return None
    at = int(reached[0]) + WINDOW - 1
    return Turn(decisions=int(concerned[at]) - start + 1, concerned=at + 1)
