"""How likely is one agent to be the best, by all that is believed?"""

from __future__ import annotations

import numpy as np

from olearn_core.decisions.normal import normal_cdf
from olearn_core.models import Scores
from olearn_core.statistics import FloatArray

REACH = 8.0
STEPS = 1_024
PER_UNIT = 512  # entries of the table for each standard deviation: good to 3e-4
TABLE = normal_cdf(np.arange(-REACH * PER_UNIT, REACH * PER_UNIT + 1) / PER_UNIT)
SMALLEST_SD = 1e-9


def probability_best(scores: Scores, agent: int) -> float:
    """
    Return P(an agent's expected utility is the highest), under independent normals.

    The integral over the agent's own utility of the product of the others'
    distribution functions, by the trapezoid rule; to about 1e-3.
    """
    others = np.arange(len(scores.mean)) != agent
    sd = np.maximum(scores.contrast_sd, SMALLEST_SD)
    z = np.linspace(-REACH, REACH, STEPS + 1)
    points = scores.mean[agent] + sd[agent] * z
    density = np.exp(-0.5 * z**2)
    below = (points[:, None] - scores.mean[others]) / sd[others]
    entry = np.rint((np.clip(below, -REACH, REACH) + REACH) * PER_UNIT).astype(np.intp)
    product: FloatArray = TABLE.take(entry).prod(axis=1)
    return float(density @ product / density.sum())
