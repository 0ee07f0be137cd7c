"""A match: one player on one order of the tasks, learning from its own choices only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from olearn_core.evaluation.playing.player import Player, Seen
from olearn_core.evaluation.playing.pool import Pool, Reward
from olearn_core.evaluation.playing.world import World
from olearn_core.statistics import BoolArray, FloatArray, IntArray

START_SECONDS = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Rules:
    """
    How a pool is played.

    :param batch: outcomes learned at once
    :param span_seconds: event time that one pass covers
    """

    reward: Reward = "success"
    passes: int = 1
    batch: int = 10
    span_seconds: float = 7 * 86_400.0


class Board:
    """
    The tasks in one shuffled order, with what each agent would bring.

    Files stay in their order; every pass has an order of its own.

    :ivar order: row of the pool of each decision
    """

    def __init__(self, world: World, rules: Rules, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.world, self.rules = world, rules
        self.order = np.concatenate([_shuffled(world.pool, rng) for _ in range(rules.passes)])
        step = rules.span_seconds / len(world.pool)
        numbers = np.arange(len(self.order), dtype=np.float64)
        self.times: FloatArray = START_SECONDS + step * numbers

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def sources(self) -> IntArray:
        """Whose recorded outcome each agent brings, shape (decisions, agents)."""
        sources = np.empty((len(self), self.world.agents), dtype=np.int64)
        for start, end in self._stretches():
            sources[start:end] = self.world.sources(start)
        return sources

    @cached_property
    def eligible(self) -> BoolArray:
        """Which agents may be chosen, shape (decisions, agents)."""
        present = np.empty(self.sources.shape, dtype=np.bool_)
        for start, end in self._stretches():
            present[start:end] = self.world.present(start)
        return present & ~np.isnan(self.rewards)

    @cached_property
    def rewards(self) -> FloatArray:
        """What each agent would bring, shape (decisions, agents)."""
        rewards: FloatArray = self.world.rewards(self.rules.reward)[
            self.order[:, None], self.sources
        ]
        return rewards

    def _stretches(self) -> Sequence[tuple[int, int]]:
        """Return the ranges of decisions in which the world stays as it is."""
        edges = sorted({0, len(self), *(min(c.at, len(self)) for c in self.world.changes)})
        return list(pairwise(edges))


def play(player: Player, board: Board) -> FloatArray:
    """Return the reward of each decision, NaN where nobody could be chosen."""
    return brought(board, choices(player, board), board.world.rewards(board.rules.reward))


def brought(board: Board, chosen: IntArray, values: FloatArray) -> FloatArray:
    """
    Return what the chosen agents brought, NaN where nobody could be chosen.

    :param chosen: agent of each decision, -1 for nobody
    :param values: of each recorded outcome, shape (tasks, columns of the pool)
    """
    sources = board.sources[np.arange(len(board)), chosen]
    found: FloatArray = np.where(chosen >= 0, values[board.order, sources], np.nan)
    return found


def choices(player: Player, board: Board) -> IntArray:
    """Return the agent chosen in each decision, -1 where nobody could be."""
    chosen: list[int] = []
    start = 0
    candidates = _Candidates(board)
    tasks, times = board.order.tolist(), board.times.tolist()
    for number in candidates.decisions:
        eligible = candidates.of(number)
        chosen.append(player.choose(tasks[number], eligible, times[number]))
        if len(chosen) - start == board.rules.batch:
            player.learn(_seen(board, candidates.decisions[start:], chosen[start:]))
            start = len(chosen)
    agents = np.full(len(board), -1, dtype=np.int64)
    agents[candidates.decisions] = chosen
    return agents


class _Candidates:
    """Lists of eligible agents, made once for decisions with the same ones."""

    def __init__(self, board: Board) -> None:
        masks, places = np.unique(board.eligible, axis=0, return_inverse=True)
        self._lists = [np.flatnonzero(mask).tolist() for mask in masks]
        self._places = places.reshape(-1).tolist()
        self.decisions = np.flatnonzero(board.eligible.any(axis=1)).tolist()

    def of(self, number: int) -> list[int]:
        return self._lists[self._places[number]]


def _seen(board: Board, decisions: Sequence[int], arms: Sequence[int]) -> Seen:
    rows = np.array(decisions[: len(arms)], dtype=np.int64)
    columns = np.array(arms, dtype=np.int64)
    return Seen(
        tasks=board.order[rows],
        arms=columns,
        sources=board.sources[rows, columns],
        rewards=board.rewards[rows, columns],
        at_seconds=board.times[rows],
    )


def _shuffled(pool: Pool, rng: np.random.Generator) -> IntArray:
    """Return the rows of the pool, shuffled within each file."""
    parts = np.array(pool.parts)
    orders = [rng.permutation(np.flatnonzero(parts == part)) for part in np.unique(parts)]
    return np.concatenate(orders).astype(np.int64)
