"""A question: who should do this task?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olearn_core.schemas import Limits, Preset


@dataclass(slots=True)
class Question:
    """
    What somebody wants decided.

    :param eligible: candidates, None for all agents seen lately; may name new ones
    :param weights: of the utility; like a preset, a margin within which the cheapest
        is wanted, and limits: None for what is configured
    :param scales: latency (ms) and cost (USD) that count fully, None for the
        tenant's 95th percentiles
    :param default_agent: of an apprentice, None for the configured one
    :param chosen_agent: whom the caller has chosen, where only that is logged
    :param chosen_propensity: how likely the caller was to choose it, None where it says nothing
    :param explain: whether to say why
    :param even_retired: whether retired agents are eligible: only to look at the past
    """

    tenant: str
    task_type: str
    context: Mapping[str, Any]
    eligible: Sequence[str] | None = None
    excluded: Sequence[str] = ()
    weights: Mapping[str, float] | None = None
    preset: Preset | None = None
    cheapest_within: float | None = None
    limits: Limits | None = None
    scales: tuple[float, float] | None = None
    default_agent: str | None = None
    chosen_agent: str | None = None
    chosen_propensity: float | None = None
    explain: bool = False
    even_retired: bool = False
