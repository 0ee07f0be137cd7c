"""The formula that `agent_selection` replaced, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olearn_core import Choice, FloatArray, ModelOptions, Policy, Sums, Utility, hookimpl, standard
from olearn_plugins.betas import NEXT_TO_NOTHING, Betas
from olearn_plugins.law import largest

AGENT_WEIGHT = 0.6
TASK_WEIGHT = 0.4
UNSEEN_RATE = 0.5
STEPS_PER_SECOND = 10_000.0


@dataclass(frozen=True, slots=True)
class _Arms:
    """
    Scores of agents: shift + slope * a beta variable.

    :param shift: shape (agents,)
    :param slope: shape (agents,), positive
    """

    shift: FloatArray
    slope: FloatArray
    betas: Betas

    def take(self, agents: NDArray[np.int64]) -> _Arms:
        return _Arms(self.shift[agents], self.slope[agents], self.betas.take(agents))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = self.betas.bounds()
        return self.shift + self.slope * low, self.shift + self.slope * high

    def __call__(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ln F and f/F at scores, both (points, agents)."""
        cdf, density = self.betas((points[:, None] - self.shift) / self.slope)
        cdf = np.maximum(cdf, NEXT_TO_NOTHING)
        return np.log(cdf), density / (cdf * self.slope)


@dataclass(frozen=True, slots=True)
class _Known:
    """
    What the formula needs; the last agent and task type stand for unknown ones.

    :param betas: success rates of the agents over all task types
    :param rates: success rates, shape (tasks + 1, agents + 1)
    :param seconds: 1 + mean latency in seconds, shape (agents + 1,)
    """

    betas: Betas
    rates: FloatArray
    seconds: FloatArray

    @classmethod
    def of(cls, sums: Sums) -> _Known:
        n, success = (_padded(sums.column(name)) for name in ("executions", "success"))
        wins = np.clip(success / 1e3, 0.0, n)
        timed, latency = (_padded(sums.column(name)) for name in ("latency_n", "latency"))
        seconds = latency.sum(axis=0) / STEPS_PER_SECOND / np.maximum(1.0, timed.sum(axis=0))
        return cls(
            betas=Betas.of(1.0 + wins.sum(axis=0), 1.0 + (n - wins).sum(axis=0)),
            rates=np.where(n > 0, wins / np.where(n > 0, n, 1.0), UNSEEN_RATE),
            seconds=1.0 + seconds,
        )

    def arms(self, task: int, agents: NDArray[np.int64]) -> _Arms:
        seconds = self.seconds[agents]
        return _Arms(
            shift=TASK_WEIGHT * self.rates[task, agents] / seconds,
            slope=AGENT_WEIGHT / seconds,
            betas=self.betas.take(agents),
        )


class Classic(Policy[ModelOptions]):
    """
    Draw each agent's success rate, mix in the task type's, divide by the latency.

    The score (0.6 * Beta(1 + successes, 1 + failures) + 0.4 * rate on the task type)
    / (1 + mean latency in seconds) is an affine map of one beta variable an agent,
    so that its law of choice can be computed; the utility is not looked at.
    """

    name = "classic"
    columns = (standard.EXECUTIONS, standard.SUCCESS, standard.LATENCY_N, standard.LATENCY)

    def choose(self, choice: Choice, utility: Utility) -> FloatArray:
        """Return the probability that each agent's score is the largest."""
        del utility
        sums, query = choice.sums, choice.query
        known: _Known = sums.once(self.name, lambda: _Known.of(sums))
        task = sums.task_index.get(query.task_type, -1)
        return _law(known.arms(task, sums.agent_rows(query.agents)))


def _law(arms: _Arms) -> FloatArray:
    low, high = arms.bounds()
    start = low.max()
    contenders = np.flatnonzero(high >= start)
    law = np.zeros(len(low))
    if len(contenders) == 1:
        law[contenders] = 1.0
        return law
    narrowest = contenders[(high - low)[contenders].argmin()]
    edges = np.unique([start, low[narrowest], high[narrowest], high.max()])
    law[contenders] = largest(arms.take(contenders), edges[edges >= start])
    return law


def _padded(values: FloatArray) -> FloatArray:
    return np.pad(np.maximum(0.0, values), (0, 1))


@hookimpl
def olearn_register_models() -> Sequence[type[Policy[Any]]]:
    """Register the model."""
    return [Classic]
