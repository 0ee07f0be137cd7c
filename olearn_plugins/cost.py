"""What does an agent cost?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olearn_core import Estimate, Predictor, Query, StrategyOptions, Sums, hookimpl, standard
from olearn_plugins.estimates import Grid
from olearn_plugins.lognormal import LogSums, lognormal_grid
from olearn_plugins.pooling import Moments

MICRO_USD = 1e6


class CostPredictor(Predictor[StrategyOptions]):
    """Mean cost of an execution."""

    name = "cost_prediction"
    unit = "USD"
    component = "cost"
    columns = (standard.COST_N, standard.COST, standard.LN_COST, standard.LN_COST_SQ)
    count = standard.COST_N

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        """Return the mean costs of the query's agents; mu is that of ln micro-USD."""
        grid: Grid = sums.once(self.name, lambda: lognormal_grid(_log_sums(sums), MICRO_USD))
        return grid.pick(sums, query)


def _log_sums(sums: Sums) -> LogSums:
    logs = Moments.of(
        sums.column("cost_n"), sums.column("ln_cost") / 1e3, sums.column("ln_cost_sq") / 1e6
    )
    return LogSums(logs, sums.column("cost"))


@hookimpl
def olearn_register_models() -> Sequence[type[Predictor[Any]]]:
    """Register the model."""
    return [CostPredictor]
