"""How good is what an agent delivers?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olearn_core import Estimate, Predictor, Query, StrategyOptions, Sums, hookimpl, standard
from olearn_plugins.estimates import Grid
from olearn_plugins.pooling import Moments
from olearn_plugins.shares import share_grid


class QualityPredictor(Predictor[StrategyOptions]):
    """Mean quality score between 0 and 1, pooled between agents and task types."""

    name = "quality_prediction"
    unit = "share"
    component = "quality"
    columns = (standard.QUALITY_N, standard.QUALITY, standard.QUALITY_SQ)
    count = standard.QUALITY_N

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        """Return the mean quality of the query's agents."""
        grid: Grid = sums.once(self.name, lambda: share_grid(_moments(sums)))
        return grid.pick(sums, query)


def _moments(sums: Sums) -> Moments:
    return Moments.of(
        sums.column("quality_n"), sums.column("quality") / 1e3, sums.column("quality_sq") / 1e6
    )


@hookimpl
def olearn_register_models() -> Sequence[type[Predictor[Any]]]:
    """Register the model."""
    return [QualityPredictor]
