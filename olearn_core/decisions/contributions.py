"""
What expected utilities are made of, exactly.

A component's score S of an agent differs from that of others by slope * effect for
each part of its estimate, and by a rest. For success and quality the score is the
mean, so the slope is 1 and the rest 0. Scores of latency and cost bend: their slope
is that of the straight line through the eligible agents' means and scores (least
squares), and the rest holds what the line misses. So contributions always add up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from olearn_core.decisions.judge import Judgement
from olearn_core.decisions.utility import component_score, priced
from olearn_core.models import Estimate
from olearn_core.schemas import Comparison, Contribution
from olearn_core.statistics import FloatArray

REST = "rest"
PRICE = "price"
NEXT_TO_NOTHING = 1e-12

Effects = Mapping[tuple[str, str], FloatArray]


def effects(judged: Judgement) -> Effects:
    """
    Return by component and part what adds up to each agent's expected utility.

    Arrays of shape (agents,); all but the rests leave out what agents share.
    """
    utility = judged.utility
    total = sum(utility.weights.values())
    found: dict[tuple[str, str], FloatArray] = {}
    for component, weight in utility.weights.items():
        estimate = judged.estimates[component]
        score, _ = component_score(component, estimate, utility)
        for part, effect in _parts(component, estimate, score).items():
            found[component, part] = weight / total * effect
    if utility.cost_price and "cost" in judged.estimates:
        found["cost", PRICE] = -priced(judged.estimates["cost"].mean, utility)
    return found


def _parts(component: str, estimate: Estimate, score: FloatArray) -> dict[str, FloatArray]:
    bends = component in ("latency", "cost")
    slope = _slope(estimate.mean, score) if bends else 1.0
    parts = {part: slope * effect for part, effect in estimate.parts.items()}
    return {**parts, REST: score - sum(parts.values())}


def _slope(mean: FloatArray, score: FloatArray) -> float:
    gaps = mean - mean.mean()
    squares = float(gaps @ gaps)
    return float(gaps @ score) / squares if squares > 0 else 0.0


def compared(found: Effects, agent: int, other: int | None, name: str | None) -> Comparison:
    """
    Return what lifts an agent above another, or above the mean of all where that is None.

    :param name: of the other
    """
    gaps = {
        key: float(effect[agent] - (effect.mean() if other is None else effect[other]))
        for key, effect in found.items()
    }
    contributions = [
        Contribution(component=component, part=part, utility=gap)
        for (component, part), gap in gaps.items()
        if abs(gap) > NEXT_TO_NOTHING
    ]
    contributions.sort(key=lambda c: -abs(c.utility))
    difference = float(np.sum(list(gaps.values())))
    return Comparison(agent_name=name, difference=difference, contributions=contributions)
