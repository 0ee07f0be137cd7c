"""Bodies of the HTTP API, shared with the dashboard."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from olearn_core.errors import EventError
from olearn_core.events import checked_name


def _clean(name: str) -> str:
    """Return a name as the learner would, or refuse it for the same reasons."""
    try:
        return checked_name(name, "")
    except EventError as error:
        raise ValueError(error.reason) from None


Name = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_clean)]
Health = Literal["starting", "healthy", "degraded", "stopping"]
Component = Literal["success", "quality", "latency", "cost"]
Weight = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Body(BaseModel):
    """A request's body; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(Body):
    """
    Ask which agents suit a task.

    Older clients send nulls and keys of their own: here both count as nothing.
    """

    model_config = ConfigDict(extra="ignore")

    task_type: Name | None = None
    context: dict[str, Any] | None = None
    top_k: int = Field(default=3, ge=1, le=10)


class DecisionRequest(Body):
    """Ask for one agent; candidates are those seen lately unless named."""

    task_type: Name = "default"
    context: dict[str, Any] = {}
    eligible_agents: list[Name] | None = Field(default=None, min_length=1, max_length=500)
    excluded_agents: list[Name] = Field(default=[], max_length=500)
    weights: dict[Component, Weight] | None = None

    @field_validator("weights")
    @classmethod
    def _not_all_zero(cls, weights: dict[Component, float] | None) -> dict[Component, float] | None:
        if weights and not sum(weights.values()):
            raise ValueError("all weights are zero: there is nothing to choose by")
        return weights


class EstimateRequest(Body):
    """Ask what each agent would bring."""

    task_type: Name = "default"
    context: dict[str, Any] = {}
    agents: list[Name] | None = Field(default=None, min_length=1, max_length=500)


class Answer(BaseModel):
    """A response's body."""

    model_config = ConfigDict(frozen=True)


class Recommendation(Answer):
    """An agent in a ranking; `score` is its expected utility."""

    agent_name: str
    score: float
    rank: int
    probability: float


class PredictResponse(Answer):
    """A ranking whose first agent was drawn; report its outcome with the decision_id."""

    recommendations: list[Recommendation]
    model_score: float
    timestamp: str
    decision_id: str
    propensity: float
    view_version: int
    as_of: str | None


class DecisionResponse(PredictResponse):
    """The drawn agent and the law it was drawn from."""

    agent_name: str


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


class OutcomeResponse(Answer):
    """The log has the outcome; it will be learned within a second."""

    status: Literal["accepted"] = "accepted"
    event_id: str


class MetricsResponse(Answer):
    """How learning goes; `null` while there is no data."""

    total_updates: int
    successful_updates: int
    failed_updates: int
    avg_update_time_ms: float | None
    p95_update_time_ms: float | None
    samples_processed: int
    samples_per_second: float
    current_model_score: float | None
    improvement_rate: float | None
    agent_count: int
    task_patterns: int
    duplicates: int
    dead_letters: int
    lag: int
    as_of: str | None


class AgentPerformance(Answer):
    """
    One agent's record, of all task types or of one.

    `sums` are the raw integer columns.
    """

    agent_name: str
    task_type: str | None = None
    success_rate: float | None
    avg_latency_ms: float | None
    avg_quality: float | None
    avg_cost_usd: float | None
    total_executions: int
    confidence: float | None
    sums: dict[str, int]


class PerformanceSummary(Answer):
    """What a model has seen."""

    total_agents: int
    task_patterns: int


class ModelResponse(Answer):
    """One model."""

    model_type: str
    kind: Literal["predictor", "policy"]
    update_count: int
    last_update: str | None
    performance_summary: PerformanceSummary
    options: dict[str, Any]
    unit: str | None
    active_version: int | None


class VersionBody(Answer):
    """A saved version."""

    id: int
    model_type: str
    version_number: int
    status: Literal["training", "active", "deprecated", "archived"]
    metrics: dict[str, Any]
    parameters: dict[str, Any]
    training_samples: int
    sha256: str
    covered_offsets: dict[str, int]
    parent_version_id: int | None
    created_at: str


class VersionsResponse(Answer):
    """Versions of one model, newest first."""

    model_type: str
    versions: list[VersionBody]


class SaveResponse(Answer):
    """What was saved."""

    status: Literal["saved"] = "saved"
    message: str
    versions: dict[str, int]


class StatusResponse(Answer):
    """What the service is doing."""

    status: Health
    running: bool
    source: str
    kafka_topic: str | None
    batch_size: int
    models_loaded: list[str]
    policy: str
    partitions: list[str]
    lag: int
    warnings: list[str]
    failed_plugins: dict[str, str]
    view_version: int
    as_of: str | None


class FieldProblem(Answer):
    """One wrong field of a request."""

    pointer: str
    detail: str


class Problem(Answer):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
