"""A tenant's sums as a predictor sees them: weighted, in matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from olearn_core.statistics import FloatArray, IntArray

T = TypeVar("T")

KEPT_RESULTS = 1_000


class Sums:
    """
    An immutable snapshot of one tenant's weighted sums.

    :param tasks: task types, in the order of the first axis
    :param agents: agents, in the order of the second axis
    :param columns: column names, in the order of the last axis
    :param values: weighted sums, shape (tasks, agents, columns)
    :param last_seen_days: day (since 1970) of each agent's newest outcome, shape (agents,)
    """

    def __init__(
        self,
        tasks: Sequence[str],
        agents: Sequence[str],
        columns: Sequence[str],
        values: FloatArray,
        last_seen_days: IntArray | None = None,
    ) -> None:
        self.tasks = tuple(tasks)
        self.agents = tuple(agents)
        self.task_index = {name: i for i, name in enumerate(self.tasks)}
        self.agent_index = {name: i for i, name in enumerate(self.agents)}
        self.columns = {name: i for i, name in enumerate(columns)}
        self.values = values
        days = np.zeros(len(self.agents), dtype=np.int64)
        self.last_seen_days = days if last_seen_days is None else last_seen_days
        self._kept: dict[Any, Any] = {}

    def column(self, name: str) -> FloatArray:
        """Return one column's sums in integer steps, shape (tasks, agents)."""
        column: FloatArray = self.values[:, :, self.columns[name]]
        return column

    def once(self, key: Any, build: Callable[[], T]) -> T:
        """
        Return `build()`, computed on the first call with this key.

        For fits that many queries share: a snapshot never changes, so neither
        does what is computed from it.
        """
        if key not in self._kept:
            if len(self._kept) >= KEPT_RESULTS:
                self._kept.clear()
            self._kept[key] = build()
        kept: T = self._kept[key]
        return kept

    def agent_rows(self, agents: Sequence[str]) -> IntArray:
        """Return each agent's place on the agents' axis, -1 for newcomers."""
        return np.array([self.agent_index.get(name, -1) for name in agents], dtype=np.int64)


def empty_sums(columns: Sequence[str]) -> Sums:
    """Return the sums of a tenant that nothing is known of."""
    return Sums((), (), columns, np.zeros((0, 0, len(columns))))
