"""How soon a policy has found its way after the world has changed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from olearn_core.evaluation.playing.match import Board
from olearn_core.statistics import FloatArray

ENOUGH = 0.8
WINDOW = 100
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    The decisions from one change of the world to the next, or to the end.

    :param name: what changed, "start" for the first one
    :param random: mean reward of agents taken by chance
    :param best: mean reward of the best agent of each task type
    """

    name: str
    start: int
    end: int
    random: float
    best: float

    def decisions_until_enough(self, rewards: FloatArray) -> int | None:
        """
        Return after how many decisions 80 % of what can be gained over chance is gained.

        From there on over a window of 100 decisions; None where that never happens.

        :param rewards: of each decision of the run, shape (seeds, decisions)
        """
        made = rewards[:, self.start : self.end]
        total, count = _windows(np.nansum(made, axis=0)), _windows((~np.isnan(made)).sum(axis=0))
        enough = self.random + ENOUGH * (self.best - self.random)
        reached = (count > 0) & (total >= (enough - ROUNDING) * count)
        return int(reached.argmax()) if reached.any() else None


def stretches(board: Board) -> list[Stretch]:
    """Return the stretches of a run in which the world stays as it is and somebody is there."""
    names = {0: "start"}
    for change in board.world.changes:
        before = names.get(change.at, "start")
        names[change.at] = str(change) if before == "start" else f"{before}, {change}"
    names = {at: name for at, name in names.items() if at < len(board)}
    edges = [*sorted(names), len(board)]
    return [
        _stretch(board, names[start], start, end)
        for start, end in pairwise(edges)
        if board.eligible[start:end].any()
    ]


def _stretch(board: Board, name: str, start: int, end: int) -> Stretch:
    rewards = np.where(board.eligible, board.rewards, np.nan)[start:end]
    types = np.asarray(board.world.pool.task_types)[board.order[start:end]]
    playable = ~np.isnan(rewards).all(axis=1)
    rewards, types = rewards[playable], types[playable]
    best = sum(_best(rewards[types == kind]) for kind in np.unique(types))
    return Stretch(name, start, end, float(np.nanmean(rewards, axis=1).mean()), best / len(rewards))


def _windows(values: FloatArray) -> FloatArray:
    """Return the sums of all windows, one that is shorter where there is but that."""
    size = min(WINDOW, len(values))
    sums: FloatArray = np.concatenate([[0.0], np.cumsum(values)])
    return sums[size:] - sums[:-size]


def _best(rewards: FloatArray) -> float:
    """Return what the best agent brings on these tasks together."""
    known = ~np.isnan(rewards)
    means = np.where(known, rewards, 0.0).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    return float(means.max() * len(rewards))
