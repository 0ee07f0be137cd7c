"""Outcomes in columns: what is folded into sums, once for all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from olearn_core.events import Outcome
from olearn_core.statistics.arrays import FloatArray

SUCCESS_OF_STATUS = {
    "success": 1.0,
    "partial": 0.5,
    "failure": 0.0,
    "timeout": 0.0,
    None: np.nan,
}


@dataclass(frozen=True, slots=True)
class OutcomeBatch:
    """
    Numbers of a batch of outcomes, arrays of equal length; NaN where there is none.

    A rating that came alone has `success` NaN. A timeout has success 0 and no
    latency: how long it would have taken is not known.

    :param success: 1, ½ (partial) or 0
    :param timed_out: 1 for a timeout, else NaN
    """

    success: FloatArray
    quality: FloatArray
    latency_ms: FloatArray
    cost_usd: FloatArray
    timed_out: FloatArray

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        """Return the numbers of outcomes that teach (not pending, not cancelled)."""
        success = np.array([SUCCESS_OF_STATUS[o.status] for o in outcomes], dtype=np.float64)
        timed_out = np.array([o.status == "timeout" for o in outcomes], dtype=np.bool_)
        executed = ~np.isnan(success)
        latency = np.array([o.latency_ms for o in outcomes], dtype=np.float64)
        cost = np.array([o.cost_usd for o in outcomes], dtype=np.float64)
        return cls(
            success=success,
            quality=np.array([o.quality_score for o in outcomes], dtype=np.float64),
            latency_ms=np.where(executed & ~timed_out, latency, np.nan),
            cost_usd=np.where(executed, cost, np.nan),
            timed_out=np.where(timed_out, 1.0, np.nan),
        )
