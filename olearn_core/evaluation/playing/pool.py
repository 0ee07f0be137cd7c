"""A pool: what each of some agents did on each of some tasks, in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
import numpy as np

from olearn_core.evaluation.json_lines import DataFileError
from olearn_core.evaluation.tasks import Execution, Task
from olearn_core.statistics import BoolArray, FloatArray, OutcomeBatch

Reward = Literal["success", "quality", "utility"]
Scales = tuple[float, float]

UTILITY_WEIGHTS: Mapping[str, float] = {"success": 0.6, "latency": 0.2, "cost": 0.2}
SCALE_PERCENTILE = 95.0


@dataclass(frozen=True, slots=True)
class Pool:
    """
    Recorded outcomes of every agent on every task; NaN where one is not known.

    :param success: like `quality`, `latency_ms` and `cost_usd` of shape (tasks, agents)
    :param parts: number of the file that each task stands in, shape (tasks,)
    """

    agents: tuple[str, ...]
    task_types: tuple[str, ...]
    contexts: tuple[Mapping[str, Any], ...]
    success: FloatArray
    quality: FloatArray
    latency_ms: FloatArray
    cost_usd: FloatArray
    parts: tuple[int, ...]

    @classmethod
    def of(cls, files: Sequence[Sequence[Task]], agents: Sequence[str] = ()) -> Self:
        """
        Return the pool of all tasks, file after file.

        :param agents: whose outcomes are taken, by default everybody's
        :raises DataFileError: where an agent has no outcome at all
        """
        tasks = [task for file in files for task in file]
        chosen = tuple(dict.fromkeys(agents)) or _everybody(tasks)
        cells = np.array([_row(task, chosen) for task in tasks], dtype=np.float64)
        fields = np.moveaxis(cells.reshape(len(tasks), len(chosen), 4), 2, 0).copy()
        _refuse_strangers(chosen, fields[0])
        return cls(
            agents=chosen,
            task_types=tuple(task.task_type for task in tasks),
            contexts=tuple(task.context for task in tasks),
            success=fields[0],
            quality=fields[1],
            latency_ms=fields[2],
            cost_usd=fields[3],
            parts=tuple(part for part, file in enumerate(files) for _ in file),
        )

    def __len__(self) -> int:
        return len(self.task_types)

    @property
    def known(self) -> BoolArray:
        """Where there is an outcome, shape (tasks, agents)."""
        known: BoolArray = ~np.isnan(self.success)
        return known

    @property
    def scales(self) -> Scales:
        """The 95th percentiles of latency (ms) and cost (USD) over all outcomes."""
        own = slice(len(self.agents))  # columns of failures, behind them, repeat the same
        return _percentile(self.latency_ms[:, own]), _percentile(self.cost_usd[:, own])

    def rewards(self, reward: Reward) -> FloatArray:
        """
        Return what each outcome is worth, shape (tasks, agents), NaN where there is none.

        `utility` is 0.6 success + 0.2 (1 - min(1, latency / p95)) + 0.2 (1 - min(1,
        cost / p95)); where latency or cost is not known, the other weights share its own.

        :raises DataFileError: where no outcome has a quality, and that is the reward
        """
        if reward == "success":
            return self.success
        if reward == "quality":
            if np.isnan(self.quality).all():
                raise DataFileError("no outcome has a quality: take another reward")
            return self.quality
        latency_ms, cost_usd = self.scales
        scores = {
            "success": self.success,
            "latency": 1.0 - np.minimum(1.0, self.latency_ms / latency_ms),
            "cost": 1.0 - np.minimum(1.0, self.cost_usd / cost_usd),
        }
        return np.where(self.known, _weighed(scores), np.nan)

    def weights(self, reward: Reward) -> Mapping[str, float]:
        """Return the weights of the utility that this reward stands for."""
        return UTILITY_WEIGHTS if reward == "utility" else {reward: 1.0}

    def outcomes(self) -> OutcomeBatch:
        """Return all outcomes in columns, agent by agent within each task."""
        return OutcomeBatch(
            success=self.success.ravel(),
            quality=self.quality.ravel(),
            latency_ms=self.latency_ms.ravel(),
            cost_usd=self.cost_usd.ravel(),
            timed_out=np.full(self.success.size, np.nan),
        )


def read_pool_agents(path: Path, name: str) -> Sequence[str]:
    """
    Return the agents of a named pool.

    :raises DataFileError: where the file or the name is not there, or the pool is empty
    """
    try:
        pools = msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataFileError(f"{path} cannot be read: {error}") from error
    if name not in pools:
        raise DataFileError(f"{path} has no pool {name!r}, but {', '.join(sorted(pools))}")
    if not pools[name]:
        raise DataFileError(f"{path}: the pool {name!r} names no agent")
    return pools[name]


def _everybody(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(agent for task in tasks for agent in task.outcomes))


def _row(task: Task, agents: Sequence[str]) -> list[list[float | None]]:
    return [_cell(task.outcomes.get(agent)) for agent in agents]


def _cell(execution: Execution | None) -> list[float | None]:
    if execution is None:
        return [None] * 4
    done = execution
    return [done.success, done.quality, done.latency_ms, done.cost_usd]


def _refuse_strangers(agents: Sequence[str], success: FloatArray) -> None:
    for agent, outcomes in zip(agents, success.T, strict=True):
        if np.isnan(outcomes).all():
            raise DataFileError(f"no task has an outcome of {agent!r}: check the name")


def _percentile(values: FloatArray) -> float:
    """Return the 95th percentile, 1 where there is no value."""
    known = values[~np.isnan(values)]
    return float(np.percentile(known, SCALE_PERCENTILE)) or 1.0 if known.size else 1.0


def _weighed(scores: Mapping[str, FloatArray]) -> FloatArray:
    total, weights = np.zeros(1), np.zeros(1)
    for component, score in scores.items():
        present = ~np.isnan(score)
        total = total + UTILITY_WEIGHTS[component] * np.where(present, score, 0.0)
        weights = weights + UTILITY_WEIGHTS[component] * present
    weighed: FloatArray = total / np.where(weights > 0, weights, 1.0)
    return weighed
