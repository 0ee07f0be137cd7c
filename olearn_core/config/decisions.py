"""How agents are chosen."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from olearn_core.config.section import Section
from olearn_core.schemas import Limits, Mode, Name, Preset, Weights

COMPONENTS = ("success", "quality", "latency", "cost")
ConfiguredWeights = Annotated[Weights, Field(min_length=1)]


class TenantSettings(Section):
    """How an agent is chosen for one tenant; what is not given is as for all."""

    weights: ConfiguredWeights | None = None
    preset: Preset | None = None
    limits: Limits | None = None
    cheapest_within: float | None = Field(default=None, ge=0, le=1)
    exploration_floor: float | None = Field(default=None, ge=0, le=1)
    mode: Mode | None = None
    default_agent: Name | None = None
    budget_usd_per_hour: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.weights is not None and self.preset is not None:
            raise ValueError("give either weights or a preset")
        return self


class DecisionSettings(Section):
    """How an agent is chosen. A preset, where one is named, takes the place of the weights."""

    policy: str = "agent_selection"
    exploration_floor: float = Field(default=0.01, ge=0, le=1)
    candidate_days: int = Field(default=30, ge=1)
    require_decision_token: bool = False
    token_days: float = Field(default=30.0, gt=0)
    mode: Mode = "online"
    default_agent: Name | None = None
    weights: ConfiguredWeights = Field(
        default={"success": 0.6, "quality": 0.2, "latency": 0.1, "cost": 0.1}
    )
    preset: Preset | None = None
    limits: Limits | None = None
    cheapest_within: float | None = Field(default=None, ge=0, le=1)
    budget_usd_per_hour: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    default_reward: float | None = Field(default=None, ge=0, le=1)
    reward_wait_minutes: float = Field(default=60.0, ge=0, allow_inf_nan=False)
    tenants: dict[Name, TenantSettings] = Field(default_factory=dict)
