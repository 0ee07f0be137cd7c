"""A policy of the service as a player: the same plugins, table and decision path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olearn_core.config import DecisionSettings, LearningSettings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.draw import draw
from olearn_core.decisions.question import Question
from olearn_core.evaluation.playing.learned_table import LearnedTable, spelling
from olearn_core.evaluation.playing.player import Seen
from olearn_core.evaluation.playing.pool import Pool, Reward
from olearn_core.events import DEFAULT
from olearn_core.plugins import Models
from olearn_core.schemas import Preset
from olearn_core.statistics import IntArray
from olearn_core.tokens import NONCE_BYTES, SigningKey

UNUSED_KEY = SigningKey(0, b"evaluation")


class Recorded:
    """What all outcomes of a pool add to the table, computed once for all players."""

    def __init__(self, pool: Pool, models: Models) -> None:
        batch = pool.outcomes()
        columns = [column.integers(batch) for column in models.columns]
        self._values = np.stack(columns, axis=1).reshape(*pool.success.shape, len(columns))

    def of(self, tasks: IntArray, sources: IntArray) -> IntArray:
        """Return what outcomes add, shape (outcomes, columns)."""
        values: IntArray = self._values[tasks, sources]
        return values


@dataclass(frozen=True, slots=True)
class PolicyPlayers:
    """
    Makes players of one policy.

    :param settings: its floor and everything else about decisions
    :param preset: what agents are wanted for, None for the reward
    """

    pool: Pool
    reward: Reward
    models: Models
    settings: DecisionSettings
    learning: LearningSettings
    recorded: Recorded
    preset: Preset | None = None

    def __call__(self, rng: np.random.Generator) -> PolicyPlayer:
        """Return a player that knows nothing yet."""
        return PolicyPlayer(self, rng)


class PolicyPlayer:
    """Asks a decider and learns into a table."""

    def __init__(self, game: PolicyPlayers, rng: np.random.Generator) -> None:
        self._pool = game.pool
        self._recorded = game.recorded
        self._rng = rng
        self._table = LearnedTable(game.models.column_names, game.learning)
        self._decider = Decider(
            self._table,
            game.models,
            game.settings,
            lambda: UNUSED_KEY,
            clock=lambda: self._table.as_of,
        )
        self._preset = game.preset
        self._weights = None if game.preset else game.pool.weights(game.reward)
        self._scales = game.pool.scales

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Draw from the law, floor included."""
        self._table.at(at_seconds)
        pool = self._pool
        law = self._decider.law(
            Question(
                DEFAULT,
                pool.task_types[task],
                pool.contexts[task],
                eligible=[pool.agents[arm] for arm in eligible],
                weights=self._weights,
                preset=self._preset,
                scales=self._scales,
            )
        )
        return eligible[draw(law.cumulated, self._rng.bytes(NONCE_BYTES))]

    def learn(self, seen: Seen) -> None:
        """Learn a batch, each outcome at its time."""
        pool = self._pool
        spelt = [
            spelling(pool.task_types[task], pool.agents[arm], pool.contexts[task])
            for task, arm in zip(seen.tasks.tolist(), seen.arms.tolist(), strict=True)
        ]
        values = self._recorded.of(seen.tasks, seen.sources)
        self._table.learn(spelt, values, seen.at_seconds.tolist())
