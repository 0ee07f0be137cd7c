"""The table of sums without a log or a database around it: what an evaluation learns into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from olearn_core.config import LearningSettings
from olearn_core.evaluation.weighed_sums import WeighedSums
from olearn_core.events import DEFAULT
from olearn_core.learning.shards.cells import NO_ROW, CellFinder
from olearn_core.models import Sums
from olearn_core.statistics import IntArray, Statistics, Weighting
from olearn_core.statistics.buckets import DAY_SECONDS, HOUR_SECONDS

Spelling = tuple[str, str, bytes]


def spelling(task_type: str, agent: str, context: Mapping[str, object]) -> Spelling:
    """Return what decides on an outcome's cells, but for its time."""
    return task_type, agent, msgspec.json.encode(context)


class LearnedTable:
    """
    Learns outcomes at the time they state; read as `decisions` read a view.

    :param columns: names of the sums' columns
    """

    def __init__(self, columns: Sequence[str], settings: LearningSettings) -> None:
        self.columns = tuple(columns)
        self.version = 0
        self.as_of = 0.0
        self._settings = settings
        self._day = -1
        self._sums = WeighedSums(self.columns)
        self._table = Statistics(self.columns)
        self._arrange(0.0)

    @property
    def table(self) -> Statistics:
        """The sums by cell and time."""
        return self._table

    def learn(
        self, spelt: Sequence[Spelling], values: IntArray, at_seconds: Sequence[float]
    ) -> None:
        """
        Add outcomes.

        :param values: what each adds, shape (outcomes, columns)
        :param at_seconds: Unix time of each, ascending
        """
        self._turn(at_seconds[-1])
        groups = [
            self._finder.group((DEFAULT, *names, int(at // HOUR_SECONDS)))
            for names, at in zip(spelt, at_seconds, strict=True)
        ]
        rows = self._finder.rows(groups)
        touched, places = np.unique(rows[rows != NO_ROW], return_inverse=True)
        sums = np.zeros((len(touched), values.shape[1]), dtype=np.int64)
        np.add.at(sums, places, np.repeat(values, (rows != NO_ROW).sum(axis=1), axis=0))
        self._table.add_rows(touched, sums)
        self._sums.changed(self._table)
        self.version += 1

    def sums(self, tenant: str, model: str, weighting: Weighting, count: str) -> Sums:
        """Return the weighted sums; the same object until more is learned."""
        del model  # nothing is adjusted here
        return self._sums.of(tenant, weighting, count, self.as_of)

    def at(self, seconds: float) -> None:
        """Let this be the present time."""
        self._turn(seconds)

    def _turn(self, seconds: float) -> None:
        self.as_of = seconds
        if int(seconds // DAY_SECONDS) != self._day:  # hours are told apart for two days at least
            self._table = self._table.compact(seconds)
            self._arrange(seconds)

    def _arrange(self, seconds: float) -> None:
        self._day = int(seconds // DAY_SECONDS)
        self._finder = CellFinder(self._table, self._settings, seconds)
        self._sums.changed(self._table)
