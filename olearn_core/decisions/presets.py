"""Utilities with a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from olearn_core.schemas import Preset


@dataclass(frozen=True, slots=True)
class Purpose:
    """
    What agents are chosen for.

    :param weights: by component; one of 0 counts for nothing
    :param cheapest_within: where given, the cheapest agent is wanted whose expected
        utility lies within this of the best
    """

    weights: Mapping[str, float]
    cheapest_within: float | None = None


SUCCESS = Purpose({"success": 1.0})

PRESETS: Mapping[Preset, Purpose] = {
    "quality": Purpose({"success": 0.7, "quality": 0.3}),
    "balanced": Purpose({"success": 0.6, "quality": 0.2, "latency": 0.1, "cost": 0.1}),
    "thrifty": Purpose({"success": 0.55, "cost": 0.45}),
}
