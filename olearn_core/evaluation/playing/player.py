"""Whoever chooses in an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from olearn_core.statistics import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Seen:
    """
    Outcomes that a player learns at once, arrays of equal length.

    :param tasks: rows of the pool
    :param arms: whose seat the choice was, columns of the world
    :param sources: whose recorded outcome came about, columns of the pool
    :param rewards: what they are worth
    :param at_seconds: Unix time of each
    """

    tasks: IntArray
    arms: IntArray
    sources: IntArray
    rewards: FloatArray
    at_seconds: FloatArray


class Player(Protocol):
    """Chooses an agent for each task, and learns from the outcomes of its own choices."""

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Return one of the eligible agents (columns) for a task (row of the pool)."""

    def learn(self, seen: Seen) -> None:
        """Learn from a batch of outcomes."""


class PlayerMaker(Protocol):
    """Makes a player that knows nothing yet."""

    def __call__(self, rng: np.random.Generator) -> Player:
        """Return a new player with a source of chance of its own."""
