"""What people would otherwise do: chance, plain bandits, a linear bandit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from olearn_core.evaluation.playing.features import features
from olearn_core.evaluation.playing.player import Player, PlayerMaker, Seen
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.statistics import FloatArray, IntArray

LINEAR_SPREAD = 0.2
RIDGE = 1.0


class Random:
    """Any agent, with equal chances."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Return any of them."""
        del task, at_seconds
        return eligible[int(self._rng.integers(len(eligible)))]

    def learn(self, seen: Seen) -> None:
        """Learn nothing."""


class BetaThompson:
    """
    Thompson sampling with Beta(1 + sum of r, 1 + sum of 1 - r) for rewards r in 0...1.

    :param rows: which row of arms each task has, shape (tasks,): one for all, or one by type
    """

    def __init__(self, rng: np.random.Generator, rows: IntArray, agents: int) -> None:
        self._rng = rng
        self._rows = rows
        self._won = np.ones((int(rows.max()) + 1, agents))
        self._lost = np.ones_like(self._won)

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Return the agent with the largest draw."""
        del at_seconds
        row, arms = self._rows[task], np.asarray(eligible)
        draws = self._rng.beta(self._won[row, arms], self._lost[row, arms])
        return eligible[int(draws.argmax())]

    def learn(self, seen: Seen) -> None:
        """Add the rewards."""
        cells = (self._rows[seen.tasks], seen.arms)
        np.add.at(self._won, cells, seen.rewards)
        np.add.at(self._lost, cells, 1.0 - seen.rewards)


class LinearThompson:
    """
    Linear Thompson sampling, a ridge regression for each agent.

    The posterior of an agent's weights is N(A^-1 b, v^2 A^-1) with A = 1 + sum of x x',
    b = sum of r x (Agrawal and Goyal, "Thompson Sampling for Contextual Bandits with
    Linear Payoffs", 2013); drawn is the reward itself, N(x' A^-1 b, v^2 x' A^-1 x).

    :param features: of each task, shape (tasks, features)
    """

    def __init__(self, rng: np.random.Generator, features: FloatArray, agents: int) -> None:
        self._rng = rng
        self._features = features
        size = features.shape[1]
        self._precision = np.tile(RIDGE * np.eye(size), (agents, 1, 1))
        self._covariance = np.tile(np.eye(size) / RIDGE, (agents, 1, 1))
        self._pull = np.zeros((agents, size))
        self._weights = np.zeros((agents, size))

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Return the agent with the largest draw."""
        del at_seconds
        arms, x = np.asarray(eligible), self._features[task]
        spread = np.sqrt((self._covariance[arms] @ x) @ x)
        draws = self._weights[arms] @ x + LINEAR_SPREAD * spread * self._rng.normal(size=len(arms))
        return eligible[int(draws.argmax())]

    def learn(self, seen: Seen) -> None:
        """Add the rewards, then solve once for each agent that was chosen."""
        for task, arm, reward in zip(seen.tasks, seen.arms, seen.rewards, strict=True):
            x = self._features[task]
            self._precision[arm] += np.outer(x, x)
            self._pull[arm] += reward * x
        arms = np.unique(seen.arms)
        self._covariance[arms] = np.linalg.inv(self._precision[arms])
        self._weights[arms] = (self._covariance[arms] @ self._pull[arms, :, None])[:, :, 0]


class Classic:
    """
    The older formula: (0.6 Beta draw + 0.4 success rate) / (1 + mean latency in seconds).

    Whatever the reward, it looks at success and latency of the agent over all task
    types; each agent is tried once, since it would never choose one it has not seen.
    """

    def __init__(self, rng: np.random.Generator, pool: Pool) -> None:
        self._rng = rng
        self._success, self._seconds = pool.success, np.nan_to_num(pool.latency_ms) / 1e3
        self._tried = np.zeros(len(pool.agents), dtype=np.bool_)
        self._n, self._won, self._waited = np.zeros((3, len(pool.agents)))

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Return the first agent that was never tried, else the one with the largest score."""
        del task, at_seconds
        arms = np.asarray(eligible)
        untried = arms[~self._tried[arms]]
        if len(untried):
            self._tried[untried[0]] = True
            return int(untried[0])
        n, won = self._n[arms], self._won[arms]
        known = np.maximum(n, 1.0)
        draws = self._rng.beta(1.0 + won, 1.0 + n - won)
        scores = (0.6 * draws + 0.4 * won / known) / (1.0 + self._waited[arms] / known)
        return eligible[int(scores.argmax())]

    def learn(self, seen: Seen) -> None:
        """Add the successes and latencies."""
        np.add.at(self._n, seen.arms, 1.0)
        np.add.at(self._won, seen.arms, self._success[seen.tasks, seen.sources])
        np.add.at(self._waited, seen.arms, self._seconds[seen.tasks, seen.sources])


def references(pool: Pool) -> Mapping[str, PlayerMaker]:
    """Return the makers of all reference players by name."""
    agents = len(pool.agents)
    one = np.zeros(len(pool), dtype=np.int64)
    by_type = np.unique(pool.task_types, return_inverse=True)[1].astype(np.int64)
    seen = features(pool.task_types, pool.contexts)

    def ts_global(rng: np.random.Generator) -> Player:
        return BetaThompson(rng, one, agents)

    def ts_per_type(rng: np.random.Generator) -> Player:
        return BetaThompson(rng, by_type, agents)

    def lin_ts(rng: np.random.Generator) -> Player:
        return LinearThompson(rng, seen, agents)

    def classic(rng: np.random.Generator) -> Player:
        return Classic(rng, pool)

    return {
        "random": Random,
        "ts_global": ts_global,
        "ts_per_type": ts_per_type,
        "lin_ts": lin_ts,
        "classic": classic,
    }
