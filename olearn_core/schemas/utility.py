"""What counts in a choice, as requests and the configuration say it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from olearn_core.schemas.bodies import Body

Component = Literal["success", "quality", "latency", "cost"]
Preset = Literal["quality", "balanced", "thrifty"]
Mode = Literal["online", "apprentice", "logging_only"]
Weight = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _not_all_zero(weights: dict[Component, float]) -> dict[Component, float]:
    if weights and not sum(weights.values()):
        raise ValueError("all weights are zero: there is nothing to choose by")
    return weights


Weights = Annotated[
    dict[Component, Weight],
    AfterValidator(_not_all_zero),
    Field(
        json_schema_extra={"not": {"minProperties": 1, "additionalProperties": {"const": 0}}},
        examples=[{"success": 0.6, "quality": 0.2, "cost": 0.2}],
    ),
]


class MostLimit(Body):
    """An outcome is at most `most` with at least this probability."""

    most: Amount
    probability: Probability = 0.9


class LeastLimit(Body):
    """The expectation is at least `least` with at least this probability."""

    least: Share
    probability: Probability = 0.9


class Limits(Body):
    """What an agent must keep to be chosen."""

    latency_ms: MostLimit | None = None
    cost_usd: MostLimit | None = None
    success: LeastLimit | None = None
    quality: LeastLimit | None = None
