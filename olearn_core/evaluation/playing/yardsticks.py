"""What a pool has to give: by chance, with one agent for all, with one for each task type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olearn_core.statistics import BoolArray, FloatArray, IntArray

FOLDS = 5
SHUFFLES = 20
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """
    Mean rewards to hold a policy against.

    :param random: of agents taken by chance
    :param best_single: of the agent that is best over all tasks
    :param per_type_best_cv: of the best agent of each task type, found on four
        fifths of the tasks and used on the last: what a policy by type can reach
    """

    random: float
    best_single: float
    per_type_best_cv: float

    def normalised(self, mean: float) -> float | None:
        """Return the share of the way from chance to the best by type, None where there is none."""
        way = self.per_type_best_cv - self.random
        return (mean - self.random) / way if way > ROUNDING else None


def yardsticks(rewards: FloatArray, task_types: Sequence[str]) -> Yardsticks:
    """
    Return the yardsticks of a pool.

    :param rewards: shape (tasks, agents), NaN where there is no outcome
    """
    playable = ~np.isnan(rewards).all(axis=1)
    rewards = rewards[playable]
    types = np.unique(np.asarray(task_types)[playable], return_inverse=True)[1]
    rng = np.random.default_rng(0)
    crossed = [_cross_validated(rewards, types, rng) for _ in range(SHUFFLES)]
    return Yardsticks(
        random=float(np.nanmean(rewards, axis=1).mean()),
        best_single=float(means(rewards).max()),
        per_type_best_cv=float(np.mean(crossed)),
    )


def _cross_validated(rewards: FloatArray, types: IntArray, rng: np.random.Generator) -> float:
    folds = rng.permutation(len(rewards)) % FOLDS
    brought = [_held_out(rewards, types, folds == fold) for fold in range(FOLDS)]
    return float(np.concatenate(brought).mean())


def _held_out(rewards: FloatArray, types: IntArray, held: BoolArray) -> FloatArray:
    """Return what the best agents of the other tasks bring on the held-out ones."""
    overall = means(rewards[~held])
    brought = [np.zeros(0)]
    for kind in np.unique(types[held]):
        known = rewards[~held & (types == kind)]
        order = np.lexsort((-overall, -means(known)))
        brought.append(_first_known(rewards[held & (types == kind)][:, order]))
    return np.concatenate(brought)


def _first_known(ordered: FloatArray) -> FloatArray:
    """Return each row's first value that is known."""
    places = (~np.isnan(ordered)).argmax(axis=1)
    first: FloatArray = ordered[np.arange(len(ordered)), places]
    return first


def means(rewards: FloatArray) -> FloatArray:
    """Return each agent's mean over the tasks it did, below all others where there is none."""
    known = ~np.isnan(rewards)
    total = np.where(known, rewards, 0.0).sum(axis=0)
    means: FloatArray = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), -1.0)
    return means
