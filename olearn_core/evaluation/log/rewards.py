"""What came of a decision, as one number between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from olearn_core.config import COMPONENTS
from olearn_core.events import Outcome
from olearn_core.models import Utility
from olearn_core.statistics import FloatArray, OutcomeBatch


class Reward(StrEnum):
    """What is counted: the utility that each decision was made for, or one part of it."""

    UTILITY = "utility"
    SUCCESS = "success"
    QUALITY = "quality"

    @property
    def is_utility(self) -> bool:
        """Whether it is each decision's own."""
        return self is Reward.UTILITY

    def of(self, utility: Utility) -> Utility:
        """Return the utility that is counted for a decision."""
        if self.is_utility:
            return utility
        return Utility({self.value: 1.0}, utility.latency_scale_ms, utility.cost_scale_usd)


def rewards(
    executions: Sequence[Outcome], ratings: Sequence[Outcome], utilities: Sequence[Utility]
) -> FloatArray:
    """
    Return the reward of each decision, NaN where nothing that counts was reported.

    The weighted mean of success, quality, 1 - min(1, latency/scale) and
    1 - min(1, cost/scale); what was not reported leaves its weight to the others.
    A rating that came alone replaces the execution's quality.

    :param executions: one a decision; an empty outcome stands for none, as in `ratings`
    """
    done, rated = OutcomeBatch.of(executions), OutcomeBatch.of(ratings)
    latency_scales = np.array([utility.latency_scale_ms for utility in utilities])
    cost_scales = np.array([utility.cost_scale_usd for utility in utilities])
    scores = np.stack(
        [
            done.success,
            np.where(np.isnan(rated.quality), done.quality, rated.quality),
            1.0 - np.minimum(1.0, done.latency_ms / latency_scales),
            1.0 - np.minimum(1.0, done.cost_usd / cost_scales),
        ],
        axis=1,
    )
    wanted = [[utility.weights.get(c, 0.0) for c in COMPONENTS] for utility in utilities]
    weights = np.where(np.isnan(scores), 0.0, np.array(wanted).reshape(scores.shape))
    total = weights.sum(axis=1)
    found: FloatArray = np.full(len(total), np.nan)
    counted = (weights * np.nan_to_num(scores)).sum(axis=1)
    np.divide(counted, total, out=found, where=total > 0)
    return found
