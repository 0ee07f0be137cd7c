"""How long does an agent take?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olearn_core import Estimate, Predictor, Query, StrategyOptions, Sums, hookimpl, standard
from olearn_plugins.estimates import Grid
from olearn_plugins.lognormal import LogSums, lognormal_grid
from olearn_plugins.pooling import Moments


class LatencyPredictor(Predictor[StrategyOptions]):
    """Mean latency of executions that ended; a timeout's latency is not known and left out."""

    name = "latency_prediction"
    unit = "ms"
    component = "latency"
    columns = (
        standard.LATENCY_N,
        standard.LATENCY,
        standard.LN_LATENCY,
        standard.LN_LATENCY_SQ,
        standard.TIMEOUTS,
    )
    count = standard.LATENCY_N

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        """Return the mean latencies of the query's agents; mu is that of ln ms."""
        grid: Grid = sums.once(self.name, lambda: lognormal_grid(_log_sums(sums), unit=1.0))
        return grid.pick(sums, query)


def _log_sums(sums: Sums) -> LogSums:
    logs = Moments.of(
        sums.column("latency_n"),
        sums.column("ln_latency") / 1e3,
        sums.column("ln_latency_sq") / 1e6,
    )
    return LogSums(logs, sums.column("latency") / 10.0)


@hookimpl
def olearn_register_models() -> Sequence[type[Predictor[Any]]]:
    """Register the model."""
    return [LatencyPredictor]
