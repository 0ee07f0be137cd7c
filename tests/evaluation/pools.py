"""Small pools, written by hand or drawn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from olearn_core.evaluation.playing.comparison import Game
from olearn_core.evaluation.playing.match import Rules
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.world import Change
from olearn_core.evaluation.tasks import Execution, Task

SPECIALISTS = ("mia", "noa", "ole")
TYPES = ("mail", "code", "plan")


def done(success: float, **more: float) -> Execution:
    return Execution(success=success, **more)


def task(task_type: str = "mail", context: dict[str, Any] | None = None, **outcomes: Any) -> Task:
    """Return a task; an outcome is an execution or only its success."""
    executions = {
        agent: outcome if isinstance(outcome, Execution) else done(float(outcome))
        for agent, outcome in outcomes.items()
    }
    return Task("task", task_type, executions, context or {})


def pool_of(*tasks: Task) -> Pool:
    return Pool.of([tasks])


def specialist_tasks(size: int, seed: int = 0) -> list[Task]:
    """Return tasks of three types; each of three agents does one type well, the others badly."""
    rng = random.Random(seed)
    tasks = []
    for number in range(size):
        kind = number % len(TYPES)
        outcomes = {
            agent: done(
                float(rng.random() < (0.95 if place == kind else 0.1)),
                latency_ms=100.0 + rng.random(),
                cost_usd=0.001,
            )
            for place, agent in enumerate(SPECIALISTS)
        }
        tasks.append(Task(str(number), TYPES[kind], outcomes, {"length": number}))
    return tasks


def specialists(size: int, seed: int = 0) -> Pool:
    return Pool.of([specialist_tasks(size, seed)])


def constant(size: int, **successes: float) -> Pool:
    """Return a pool where every agent always brings the same."""
    return pool_of(*(task(**successes) for _ in range(size)))


def game(pool: Pool, *names: str, changes: Sequence[Change] = (), **more: Any) -> Game:
    rules = {name: more.pop(name) for name in tuple(more) if name in Rules.__slots__}
    return Game(pool, tuple(changes), Rules(**rules), names or ("random",), **more)
