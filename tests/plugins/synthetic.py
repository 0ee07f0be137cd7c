"""Worlds with known expectations, and outcomes drawn from them, folded as the core folds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from olearn_core import Choice, Estimate, OutcomeBatch, Query, Scores, Sums, standard

COLUMNS = (
    standard.EXECUTIONS,
    standard.SUCCESS,
    standard.SUCCESS_SQ,
    standard.QUALITY_N,
    standard.QUALITY,
    standard.QUALITY_SQ,
    standard.LATENCY_N,
    standard.LATENCY,
    standard.LN_LATENCY,
    standard.LN_LATENCY_SQ,
    standard.COST_N,
    standard.COST,
    standard.LN_COST,
    standard.LN_COST_SQ,
)
NAMES = tuple(column.name for column in COLUMNS)


def names(prefix, count):
    return tuple(f"{prefix}-{i}" for i in range(count))


def snapshot(cells, tasks, agents, *, success=None, quality=None, latency_ms=None, cost_usd=None):
    """
    Fold outcomes into sums.

    :param cells: task number and agent number of each outcome, shape (2, outcomes)
    """
    nothing = np.full(cells.shape[1], np.nan)

    def column(values):
        return nothing if values is None else np.asarray(values, dtype=np.float64)

    batch = OutcomeBatch(
        column(success), column(quality), column(latency_ms), column(cost_usd), nothing
    )
    values = np.zeros((len(tasks), len(agents), len(COLUMNS)))
    integers = np.stack([c.integers(batch) for c in COLUMNS], axis=1)
    np.add.at(values, (cells[0], cells[1]), integers.astype(np.float64))
    return Sums(tasks, agents, NAMES, values)


def nothing_known(tasks=0, agents=0):
    shape = (tasks, agents, len(NAMES))
    return Sums(names("task", tasks), names("agent", agents), NAMES, np.zeros(shape))


def permuted(sums, order):
    """Return the same sums with the agents in another order."""
    agents = [sums.agents[i] for i in order]
    return Sums(sums.tasks, agents, NAMES, sums.values[:, order])


def scaled(sums, factor):
    """Return the sums of `factor` times as many outcomes of the same kind."""
    return Sums(sums.tasks, sums.agents, NAMES, sums.values * factor)


def with_agent(sums, name):
    """Return the sums with one more agent, of whom nothing is known."""
    return Sums(
        sums.tasks, (*sums.agents, name), NAMES, np.pad(sums.values, ((0, 0), (0, 1), (0, 0)))
    )


@dataclass(frozen=True)
class World:
    """Expectations of each task type and agent, drawn with a seed, and outcomes around them."""

    seed: int
    tasks: int = 8
    agents: int = 10
    rng: np.random.Generator = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "rng", np.random.default_rng(self.seed))

    def effects(self, level, spread):
        """Return level + task + agent + interaction, shape (tasks, agents)."""
        normal = self.rng.standard_normal
        task, agent = normal((self.tasks, 1)), normal((1, self.agents))
        return level + spread * (task + agent + 0.7 * normal((self.tasks, self.agents)))

    def cells(self, outcomes):
        """Return task and agent of each outcome, task types of very different frequency."""
        weights = self.rng.dirichlet(np.full(self.tasks, 2.0))
        task = self.rng.choice(self.tasks, outcomes, p=weights)
        return np.stack([task, self.rng.integers(0, self.agents, outcomes)])

    def sums(self, cells, **outcomes):
        return snapshot(cells, names("task", self.tasks), names("agent", self.agents), **outcomes)


def choice(mean, sd, executions=None, sums=None, task_type="task-0"):
    """Return a choice between agents with these scores."""
    mean, sd = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    sums = nothing_known(1, len(mean)) if sums is None else sums
    counts = np.full(len(mean), 1_000.0) if executions is None else np.asarray(executions, float)
    query = Query(task_type, names("agent", len(mean)))
    return Choice(query, {}, Scores(mean, sd), counts, sums)


def fields(estimate: Estimate):
    """Return all numbers of an estimate, shape (fields, agents)."""
    return np.stack(
        [
            estimate.mean,
            estimate.sd,
            estimate.contrast_sd,
            estimate.effective_n,
            estimate.low,
            estimate.high,
            *estimate.parameters.values(),
        ]
    )
