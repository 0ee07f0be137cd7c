"""A world that changes while it is played: agents swap places, join and die."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from olearn_core.evaluation.json_lines import DataFileError
from olearn_core.evaluation.playing.pool import Pool, Reward
from olearn_core.statistics import BoolArray, FloatArray, IntArray

Kind = Literal["swap", "join", "kill"]


@dataclass(frozen=True, slots=True)
class Change:
    """
    What becomes different from a decision on.

    :param agents: two for a swap (each does from then on what the other did), else one
    :param at: number of the first decision that it concerns, from 0
    """

    kind: Kind
    agents: tuple[str, ...]
    at: int

    @classmethod
    def read(cls, kind: Kind, text: str) -> Change:
        """
        Read `A,B@N` (a swap) or `A@N`.

        :raises ValueError: where it is not written so
        """
        match = re.fullmatch(r"(.+)@(\d{1,9})", text)
        names = match[1].split(",") if match and kind == "swap" else [match[1]] if match else []
        agents = tuple(dict.fromkeys(name.strip() for name in names))
        if match is None or len(agents) != (2 if kind == "swap" else 1):
            raise ValueError(f"it looks like {'A,B@N' if kind == 'swap' else 'A@N'}, not {text!r}")
        return cls(kind, agents, int(match[2]))

    def __str__(self) -> str:
        return f"{self.kind} {','.join(self.agents)}@{self.at}"


class World:
    """
    Which recorded outcome each agent's work brings, decision by decision.

    A dead agent is still there, and fails at everything: its outcomes are those
    of a second half of the pool's columns.

    :ivar pool: the recorded outcomes, with columns of failures where somebody dies
    :raises DataFileError: where a change names an agent that is not in the pool
    """

    def __init__(self, pool: Pool, changes: Sequence[Change]) -> None:
        self.agents = len(pool.agents)
        self.changes = sorted(changes, key=lambda change: change.at)
        self.pool = failing(pool) if any(c.kind == "kill" for c in changes) else pool
        self._rewards: dict[Reward, FloatArray] = {}
        self._places = {agent: place for place, agent in enumerate(pool.agents)}
        for change in changes:
            for agent in change.agents:
                if agent not in self._places:
                    raise DataFileError(f"{change}: {agent!r} is not in the pool")

    def rewards(self, reward: Reward) -> FloatArray:
        """Return what each recorded outcome is worth, shape (tasks, columns of the pool)."""
        if reward not in self._rewards:
            self._rewards[reward] = self.pool.rewards(reward)
        return self._rewards[reward]

    def sources(self, decision: int) -> IntArray:
        """Return the column of the pool that each agent's work comes from, shape (agents,)."""
        sources = np.arange(self.agents)
        for change in self.changes:
            if change.at <= decision and change.kind != "join":
                places = [self._places[agent] for agent in change.agents]
                if change.kind == "swap":
                    sources[places] = sources[places[::-1]]
                else:
                    sources[places] = sources[places] % self.agents + self.agents
        return sources

    def present(self, decision: int) -> BoolArray:
        """Return which agents are there, shape (agents,)."""
        present = np.ones(self.agents, dtype=np.bool_)
        for change in self.changes:
            if change.kind == "join" and decision < change.at:
                present[self._places[change.agents[0]]] = False
        return present


def failing(pool: Pool) -> Pool:
    """Return the pool with a second half of columns in which everything fails."""
    nothing = np.where(pool.known, 0.0, np.nan)
    return replace(
        pool,
        success=np.hstack([pool.success, nothing]),
        quality=np.hstack([pool.quality, np.where(np.isnan(pool.quality), np.nan, 0.0)]),
        latency_ms=np.tile(pool.latency_ms, 2),
        cost_usd=np.tile(pool.cost_usd, 2),
    )
