"""Models, their versions and rollbacks."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from olearn_core.schemas.bodies import Answer, Body, Name, Number, Reason


class PerformanceSummary(Answer):
    """What a model has seen."""

    total_agents: int
    task_patterns: int


class PanelBody(Answer):
    """How a dashboard shows what a model estimates."""

    title: str
    format: Literal["percent", "duration_ms", "usd", "number"]
    better: Literal["higher", "lower"] | None


class ModelResponse(Answer):
    """One model; `strategy` is how it forgets, `panel` how it is shown: null for a policy."""

    model_type: str
    kind: Literal["predictor", "policy"]
    update_count: int
    last_update: str | None
    performance_summary: PerformanceSummary
    options: dict[str, Any]
    unit: str | None
    active_version: int | None
    strategy: str | None = None
    panel: PanelBody | None = None


class ModelsResponse(Answer):
    """Every model of the service, predictors first; `policy` is the one that chooses."""

    models: list[ModelResponse]
    policy: str


class ValidationQuery(Body):
    """Ask how well a model would have told the outcomes of the last hours."""

    hours: int = Field(
        default=24, ge=1, le=47, description="How many hours are told, up to the present one."
    )


class ValidationHour(Answer):
    """
    Outcomes of one hour, beside what had been expected of them when it began.

    Both means are over the same outcomes, in the model's unit;
    `mean_squared_error` is null where the sums do not tell it.
    """

    start: str
    outcomes: int
    observed: float
    expected: float
    mean_squared_error: float | None


class ValidationResponse(Answer):
    """
    A model tested on each hour with what was known before it, oldest first.

    `hours` is empty for a model that estimates none of the four components.
    """

    model_type: str
    unit: str
    hours: list[ValidationHour]


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


class RollbackRequest(Body):
    """Bring a model back to one of its versions, or undo a rollback: one of both."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"type": "integer"}}}
                for name in ("to_version", "undo")
            ],
            "examples": [{"to_version": 1, "reason": "a broken agent version reported success"}],
        }
    )

    to_version: Number | None = None
    undo: Number | None = None
    tenant: Name | None = None
    reason: Reason = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.to_version is None) == (self.undo is None):
            raise ValueError("give either to_version or undo")
        return self


class RollbackChange(Answer):
    """What a rollback did to one model's view of one tenant."""

    model_type: str
    tenant: str
    samples_before: int
    samples_after: int


class RollbackResponse(Answer):
    """
    A rollback that was done; nodes follow within a poll.

    `version_before` holds what was before it; `version_after` is `null` where
    the new state could not be saved yet.
    """

    rollback_id: int
    model_types: list[str]
    tenants: list[str]
    changes: list[RollbackChange]
    version_before: int | None
    version_after: int | None
