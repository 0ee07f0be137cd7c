"""Policies against each other: the same tasks in the same orders, seed by seed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np

from olearn_core.config import DecisionSettings, LearningSettings, PluginSettings
from olearn_core.errors import ConfigError
from olearn_core.evaluation.json_lines import DataFileError
from olearn_core.evaluation.playing.adaptation import stretches
from olearn_core.evaluation.playing.match import Board, Rules, brought, choices
from olearn_core.evaluation.playing.player import Player, PlayerMaker
from olearn_core.evaluation.playing.policy_player import PolicyPlayers, Recorded
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.references import references
from olearn_core.evaluation.playing.world import Change, World
from olearn_core.evaluation.playing.yardsticks import Yardsticks, means, yardsticks
from olearn_core.plugins import Plugins
from olearn_core.schemas import Preset
from olearn_core.statistics import FloatArray

LAST = 4


@dataclass(frozen=True, slots=True)
class Game:
    """
    Everything that a comparison needs; can be sent to another process.

    :param names: of the policies and references that play
    :param preset: what policies choose by, None for the reward itself
    """

    pool: Pool
    changes: tuple[Change, ...]
    rules: Rules
    names: tuple[str, ...]
    preset: Preset | None = None
    decisions: DecisionSettings = field(default_factory=DecisionSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)
    plugins: PluginSettings = field(default_factory=PluginSettings)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Played:
    """
    What one policy brought.

    :param rewards: of each decision, NaN where nobody could be chosen, shape (seeds, decisions)
    :param success: likewise
    :param cost_usd: likewise, NaN also where it is not known
    """

    rewards: FloatArray
    success: FloatArray
    cost_usd: FloatArray

    @property
    def means(self) -> FloatArray:
        """Mean reward of each seed."""
        means: FloatArray = np.nanmean(self.rewards, axis=1)
        return means

    @property
    def last_quarter(self) -> float:
        """Mean reward of the last quarter of the decisions."""
        made = [rewards[~np.isnan(rewards)] for rewards in self.rewards]
        return float(np.mean([one[len(one) - max(1, len(one) // LAST) :].mean() for one in made]))

    def late(self, values: FloatArray) -> float | None:
        """Return the mean of other values over the last quarter, None where none is known."""
        size = values.shape[1]
        late = values[:, size - max(1, size // LAST) :]
        return None if np.isnan(late).all() else float(np.nanmean(late))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What all policies brought, and what there was to be had."""

    game: Game
    yardsticks: Yardsticks
    played: Mapping[str, Played]

    def as_json(self) -> dict[str, Any]:
        """Return the figures; `sd` is between seeds, `difference` paired with the first policy."""
        first = next(iter(self.played.values()))
        return {
            "tasks": len(self.game.pool),
            "agents": len(self.game.pool.agents),
            "decisions": first.rewards.shape[1],
            "seeds": first.rewards.shape[0],
            "random": self.yardsticks.random,
            "best_single": self.yardsticks.best_single,
            "per_type_best_cv": self.yardsticks.per_type_best_cv,
            "best_single_agent": self._best_single_agent(),
            "policies": {name: self._figures(name, first) for name in self.played},
        } | ({"changes": self._changes()} if self.game.changes else {})

    def _best_single_agent(self) -> dict[str, Any]:
        """Return what the agent that succeeds most brings and costs."""
        pool = self.game.pool
        best = int(means(pool.success).argmax())
        cost_usd = pool.cost_usd[:, best]
        return {
            "agent_name": pool.agents[best],
            "success": float(np.nanmean(pool.success[:, best])),
            "cost_usd": None if np.isnan(cost_usd).all() else float(np.nanmean(cost_usd)),
        }

    def _changes(self) -> list[dict[str, Any]]:
        board = Board(World(self.game.pool, self.game.changes), self.game.rules, seed=0)
        return [
            {
                "after": stretch.name,
                "decision": stretch.start,
                "random": stretch.random,
                "best": stretch.best,
                "decisions_until_80_percent": {
                    name: stretch.decisions_until_enough(played.rewards)
                    for name, played in self.played.items()
                },
            }
            for stretch in stretches(board)
        ]

    def _figures(self, name: str, first: Played) -> dict[str, Any]:
        played = self.played[name]
        mean = float(played.means.mean())
        apart = played.means - first.means
        return {
            "mean": mean,
            "sd": _sd(played.means),
            "last_quarter": played.last_quarter,
            "normalised": self.yardsticks.normalised(mean),
            "difference": float(apart.mean()),
            "difference_se": _sd(apart) / len(apart) ** 0.5,
            "success_last_quarter": played.late(played.success),
            "cost_usd_last_quarter": played.late(played.cost_usd),
        }


def _sd(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def compare(game: Game, seeds: int, processes: int | None = None) -> Comparison:
    """
    Play every policy with every seed.

    :param processes: by default one a processor
    :raises ConfigError: for a policy that nobody provides
    :raises DataFileError: where no outcome has the reward, nobody is ever there, or a
        change would come after the last decision
    """
    world = World(game.pool, game.changes)  # mistakes are told before anything begins
    _refuse_late(game)
    _players(game, world)
    if not Board(world, game.rules, seed=0).eligible.any():
        raise DataFileError("no agent is there for any task: let somebody join earlier")
    workers = min(processes or os.cpu_count() or 1, seeds)
    if workers == 1:
        rows = [_play_all(game, [seed])[0] for seed in range(seeds)]
    else:
        rows = _in_processes(game, seeds, workers)
    return Comparison(
        game,
        yardsticks(game.pool.rewards(game.rules.reward), game.pool.task_types),
        {name: Played(*np.stack([row[name] for row in rows], axis=1)) for name in game.names},
    )


def _refuse_late(game: Game) -> None:
    decisions = game.rules.passes * len(game.pool)
    for change in game.changes:
        if change.at >= decisions:
            raise DataFileError(
                f"{change}: the last decision is {decisions - 1} (counted from 0): let the world"
                " change earlier, or play more --passes"
            )


def _in_processes(game: Game, seeds: int, workers: int) -> list[dict[str, FloatArray]]:
    """Every process takes each n-th seed; they are made anew, for threads do not survive forks."""
    shares = [range(first, seeds, workers) for first in range(workers)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        played = pool.map(_play_all, [game] * workers, shares)
        by_seed = {
            seed: row
            for share, rows in zip(shares, played, strict=True)
            for seed, row in zip(share, rows, strict=True)
        }
    return [by_seed[seed] for seed in range(seeds)]


def _played(player: Player, board: Board) -> FloatArray:
    """Return reward, success and cost of each decision, shape (3, decisions)."""
    world, chosen = board.world, choices(player, board)
    values = (world.rewards(board.rules.reward), world.pool.success, world.pool.cost_usd)
    return np.stack([brought(board, chosen, one) for one in values])


def _play_all(game: Game, seeds: Sequence[int]) -> list[dict[str, FloatArray]]:
    world = World(game.pool, game.changes)
    players = _players(game, world)
    rows = []
    for seed in seeds:
        board = Board(world, game.rules, seed)
        rows.append(
            {
                name: _played(maker(np.random.default_rng([seed, place])), board)
                for place, (name, maker) in enumerate(players.items())
            }
        )
    return rows


def _players(game: Game, world: World) -> Mapping[str, PlayerMaker]:
    known = dict(references(world.pool))
    plugins = Plugins.found(game.plugins.disabled)
    models = plugins.models(game.decisions.policy, game.models)
    recorded = Recorded(world.pool, models)
    for name in models.policies:
        free = name if name not in known else f"{name}_policy"
        known[free] = PolicyPlayers(
            pool=world.pool,
            reward=game.rules.reward,
            models=plugins.models(name, game.models),
            settings=game.decisions,
            learning=game.learning,
            recorded=recorded,
            preset=game.preset,
        )
    if unknown := [name for name in game.names if name not in known]:
        there = ", ".join(sorted(known))
        raise ConfigError(f"there is no policy {unknown[0]!r}, but {there}")
    return {name: known[name] for name in game.names}
