"""Estimates of all cells of a snapshot, from which a query picks its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from olearn_core import Estimate, FloatArray, Query, Sums

Z90 = 1.6448536269514722
FIELDS = 6


@dataclass(frozen=True, slots=True)
class Grid:
    """
    Estimates for each task type and agent.

    The last task type stands for unknown ones, the last agent for newcomers:
    where an index is -1, it is theirs.

    :param values: the first fields of `Estimate` in their order, then the
        parameters of the law of single outcomes, then the parts of the mean;
        (tasks + 1, fields, agents + 1)
    :param parameters: names of these parameters
    :param parts: names of these parts
    """

    values: FloatArray
    family: Literal["lognormal"] | None = None
    parameters: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, *fields: FloatArray) -> Grid:
        """Return a grid of the six fields, each (tasks + 1, agents + 1)."""
        return cls(np.stack(fields, axis=1))

    @classmethod
    def lognormal(cls, *fields: FloatArray) -> Grid:
        """Return a grid of the six fields and mu, sigma and mu_sd."""
        return cls(np.stack(fields, axis=1), "lognormal", ("mu", "sigma", "mu_sd"))

    def with_parts(self, **parts: FloatArray) -> Grid:
        """Return the grid with parts of the mean, each (tasks + 1, agents + 1)."""
        values = np.concatenate([self.values, np.stack([*parts.values()], axis=1)], axis=1)
        return replace(self, values=values, parts=(*self.parts, *parts))

    def pick(self, sums: Sums, query: Query) -> Estimate:
        """Return the estimates of the query's agents on its task type."""
        row = self.values[sums.task_index.get(query.task_type, -1)]
        picked = row.take(sums.agent_rows(query.agents), axis=1)
        mean, sd, contrast_sd, effective_n, low, high = picked[:FIELDS]
        named = dict(zip((*self.parameters, *self.parts), picked[FIELDS:], strict=True))
        parameters = {name: named[name] for name in self.parameters}
        parts = {name: named[name] for name in self.parts}
        return Estimate(
            mean, sd, contrast_sd, effective_n, low, high, self.family, parameters, parts
        )
