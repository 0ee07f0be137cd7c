"""How often does an agent succeed?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olearn_core import Estimate, Predictor, Query, StrategyOptions, Sums, hookimpl, standard
from olearn_plugins.estimates import Grid
from olearn_plugins.pooling import Moments
from olearn_plugins.shares import share_grid


class SuccessPredictor(Predictor[StrategyOptions]):
    """Success rate, pooled between agents and task types; a partial success counts half."""

    name = "success_prediction"
    unit = "share"
    component = "success"
    columns = (standard.EXECUTIONS, standard.SUCCESS, standard.SUCCESS_SQ)
    count = standard.EXECUTIONS

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        """Return the success rates of the query's agents."""
        grid: Grid = sums.once(self.name, lambda: share_grid(_moments(sums)))
        return grid.pick(sums, query)


def _moments(sums: Sums) -> Moments:
    return Moments.of(
        sums.column("executions"), sums.column("success") / 1e3, sums.column("success_sq") / 1e6
    )


@hookimpl
def olearn_register_models() -> Sequence[type[Predictor[Any]]]:
    """Register the model."""
    return [SuccessPredictor]
