"""
Who is the cheapest of those that are good enough?

Good enough is an agent whose value lies within its margin x_k of the largest M. With
the agents in the order of their cost, agent k is chosen where its value is at least
M - x_k and those of all cheaper agents are below M - x_j. Given M = m, reached by k
itself or by a dearer agent, that is a product over independent agents; summed over
who reaches m, the probability is the integral over m of G(m) times

    R_k (h_k + (1 - r_k) (h_k+1 + h_k+2 + ...)),

with G the product of all F, h = f/F, r_j = F_j(m - x_j) / F_j(m), and R_k the product
of r_j over the cheaper agents. Summed over k these are the h of `law`, so its
quadrature serves, self-check and all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from olearn_core import FloatArray
from olearn_plugins.law import REACH, SMALLEST_SD, largest, normal, probability_best

MOST_BROKEN = 16
MOST_PANELS = 16
PANEL_SD = 6.0
NEXT_TO_NOTHING = 1e-6


def probability_cheapest(
    mean: FloatArray, sd: FloatArray, cost: FloatArray, within: FloatArray
) -> FloatArray:
    """
    Return P(k is the cheapest whose value is within its margin of the largest).

    Values are independent normals; costs count by their order alone, and of equal
    ones that with the larger mean is the cheaper. The error is below 1e-3.

    :param mean: shape (agents,), at least one
    :param sd: shape (agents,), 0 for what is known exactly
    :param cost: shape (agents,)
    :param within: margins, shape (agents,), not negative
    """
    if not within.any():
        return probability_best(mean, sd)
    order = np.lexsort((-mean, cost))
    law = np.zeros(len(mean))
    law[order] = _in_order(mean[order], sd[order], within[order])
    return law


def _in_order(mean: FloatArray, sd: FloatArray, within: FloatArray) -> FloatArray:
    """Return the law of agents that stand in the order of their cost."""
    size = NEXT_TO_NOTHING * (1.0 + float(np.abs(mean).max()))
    sd = np.maximum(sd, SMALLEST_SD * max(float(within.max()), float(np.ptp(mean)), size))
    low, high = float((mean - REACH * sd).max()), float((mean + REACH * sd).max())
    law = np.zeros(len(mean))
    able = mean + REACH * sd >= low - within  # others are never good enough
    admission = _Admission(mean[able], sd[able], within[able])
    law[able] = largest(admission, _edges(admission, low, high))
    return law


@dataclass(frozen=True, slots=True)
class _Admission:
    """What `largest` integrates, for agents in the order of their cost."""

    mean: FloatArray
    sd: FloatArray
    within: FloatArray

    def __call__(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ln F and the summands above, both (points, agents)."""
        z = (points[:, None] - self.mean) / self.sd
        log_cdf, hazard = normal(z)
        hazard = hazard / self.sd
        below = np.exp(normal(z - self.within / self.sd)[0] - log_cdf)
        cheaper = np.cumprod(np.pad(below[:, :-1], ((0, 0), (1, 0)), constant_values=1.0), axis=1)
        dearer = np.cumsum(hazard[:, ::-1], axis=1)[:, ::-1] - hazard
        return log_cdf, cheaper * (hazard + (1.0 - below) * dearer)


def _edges(admission: _Admission, low: float, high: float) -> FloatArray:
    """
    Break the window where the summands rise or fall, which the check of their sum does not see.

    Panels are narrow enough for most agents; around the narrower ones, and a
    margin above them, there are panels of their own.
    """
    narrowest = float(admission.sd.min())
    panels = min(MOST_PANELS, math.ceil((high - low) / (PANEL_SD * narrowest)))
    edges = set(np.linspace(low, high, panels + 1).tolist())
    narrow = np.flatnonzero(admission.sd * PANEL_SD * panels < 0.999 * (high - low))
    for agent in narrow[np.argsort(admission.sd[narrow], kind="stable")][:MOST_BROKEN].tolist():
        mean, reach = float(admission.mean[agent]), REACH * float(admission.sd[agent])
        for place in (mean, mean + float(admission.within[agent])):
            edges.update((place - reach, place, place + reach))
    return np.array(sorted(edge for edge in edges if low <= edge <= high))
