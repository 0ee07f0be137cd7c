"""Choosing agents, and estimating what they would bring."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from olearn_core.schemas.bodies import WHOLE, Answer, Body, Name
from olearn_core.schemas.explanations import Explanation
from olearn_core.schemas.utility import Limits, Mode, Preset, Probability, Share, Weights

TASK_TYPE = "What kind of task it is: agents are compared on tasks of one kind."
CONTEXT = "What else is known of the task: names with texts, numbers or booleans."


def _given(name: str) -> dict[str, Any]:
    """Return the JSON Schema of what has a member that is not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _both(one: str, other: str) -> dict[str, Any]:
    return {"allOf": [_given(one), _given(other)]}


def _without(one: str, other: str) -> dict[str, Any]:
    return {"allOf": [_given(one), {"not": _given(other)}]}


class PredictRequest(Body):
    """
    Ask which agents suit a task.

    Older clients send nulls and keys of their own: here both count as nothing.
    """

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"task_type": "summarise", "context": {"complexity": "high"}, "top_k": 3}]
        },
    )

    task_type: Name | None = Field(default=None, description=TASK_TYPE)
    context: dict[str, Any] | None = Field(default=None, description=CONTEXT)
    top_k: Annotated[int, Field(ge=1, le=10), WHOLE] = Field(
        default=3, description="How many agents are ranked."
    )


class DecisionRequest(Body):
    """
    Ask for one agent; candidates are those seen lately unless named.

    What is not given is as configured for the tenant. `chosen_agent` is for the
    mode `logging_only`: whom the caller has chosen, and how likely that was.
    With `preview` nothing is logged or counted: the answer's `decision_id` is empty.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "anyOf": [_both("weights", "preset"), _without("chosen_propensity", "chosen_agent")]
            },
            "examples": [
                {
                    "task_type": "summarise",
                    "context": {"complexity": "high"},
                    "eligible_agents": ["atlas", "borealis"],
                    "limits": {"latency_ms": {"most": 2000, "probability": 0.9}},
                }
            ],
        }
    )

    task_type: Name = Field(default="default", description=TASK_TYPE)
    context: dict[str, Any] = Field(default={}, description=CONTEXT)
    eligible_agents: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Who may be chosen, new names too; without it the agents seen lately.",
    )
    excluded_agents: list[Name] = Field(
        default=[], max_length=500, description="Who may not be chosen this time."
    )
    weights: Weights | None = Field(
        default=None, description="How much success, quality, latency and cost count."
    )
    preset: Preset | None = Field(default=None, description="A name instead of `weights`.")
    limits: Limits | None = Field(
        default=None, description="What the agent should keep, and how probably."
    )
    cheapest_within: Share | None = Field(
        default=None, description="The cheapest agent is chosen of those so close to the best."
    )
    default_agent: Name | None = Field(
        default=None, description="Who does the task in the mode `apprentice`."
    )
    chosen_agent: Name | None = Field(
        default=None, description="Whom the caller has chosen, in the mode `logging_only`."
    )
    chosen_propensity: Probability | None = Field(
        default=None, description="How likely that was, where the caller knows."
    )
    explain: bool = Field(default=False, description="Whether the answer says why.")
    preview: bool = Field(
        default=False, description="Whether this is only a look: nothing is drawn or logged."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.weights is not None and self.preset is not None:
            raise ValueError("give either weights or a preset")
        if self.chosen_propensity is not None and self.chosen_agent is None:
            raise ValueError("chosen_propensity is that of a chosen_agent: name it")
        return self


class EstimateRequest(Body):
    """Ask what each agent would bring."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"task_type": "summarise", "agents": ["atlas", "borealis"]}]
        }
    )

    task_type: Name = Field(default="default", description=TASK_TYPE)
    context: dict[str, Any] = Field(default={}, description=CONTEXT)
    agents: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Of whom, new names too; without it the agents seen lately.",
    )


class Recommendation(Answer):
    """An agent in a ranking; `score` is its expected utility, `probability` null where unknown."""

    agent_name: str
    score: float
    rank: int
    probability: float | None


class PredictResponse(Answer):
    """
    A ranking whose first agent was drawn; report its outcome with the decision_id.

    `propensity` is null where a caller has chosen and has not said how likely that was.
    """

    recommendations: list[Recommendation]
    model_score: float
    timestamp: str
    decision_id: str
    propensity: float | None
    view_version: int
    as_of: str | None


class DecisionResponse(PredictResponse):
    """
    The drawn agent and the law it was drawn from.

    `would_choose` is what would have been drawn, in the mode `apprentice`;
    `limits_met` is null where there are no limits, and false where no agent
    keeps them, so that those nearest to it were used.
    """

    agent_name: str
    mode: Mode = "online"
    would_choose: str | None = None
    limits_met: bool | None = None
    explanation: Explanation | None = None


class AgentEstimate(Answer):
    """What one agent would bring: mean, central 90 % interval, effective outcomes."""

    agent_name: str
    mean: float
    low: float
    high: float
    sd: float
    effective_n: float


class EstimateResponse(Answer):
    """Estimates of one model for one task type."""

    model_type: str
    task_type: str
    unit: str
    estimates: list[AgentEstimate]
    as_of: str | None
