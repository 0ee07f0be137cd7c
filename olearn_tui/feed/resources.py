"""What the dashboard asks for, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, TypeAdapter

from olearn_core import schemas
from olearn_tui.feed.connection import segment

T = TypeVar("T")
MOST_AGENTS = 500
MOST_LETTERS = 200


@dataclass(frozen=True, eq=False, slots=True)
class Resource(Generic[T]):
    """
    Something to be read again and again; its path names it.

    :param asked: the body of a question that takes a POST
    """

    path: str
    shape: TypeAdapter[T]
    every_seconds: float
    asked: BaseModel | None = None


METRICS = Resource("/metrics", TypeAdapter(schemas.MetricsResponse), 1.0)
STATUS = Resource("/status", TypeAdapter(schemas.StatusResponse), 2.0)
AGENTS = Resource(f"/agents?limit={MOST_AGENTS}", TypeAdapter(schemas.AgentsResponse), 2.0)
ALERTS = Resource("/alerts", TypeAdapter(schemas.AlertsResponse), 2.0)
MODELS = Resource("/models", TypeAdapter(schemas.ModelsResponse), 3.0)
LETTERS = Resource(
    f"/dead-letters?limit={MOST_LETTERS}", TypeAdapter(schemas.DeadLettersResponse), 3.0
)
PLUGINS = Resource("/plugins", TypeAdapter(schemas.PluginsResponse), 10.0)
CONFIGURATION = Resource("/configuration", TypeAdapter(schemas.ConfigurationResponse), 10.0)
WORKERS = Resource("/workers", TypeAdapter(schemas.WorkersResponse), 2.0)

_agent = TypeAdapter(schemas.AgentResponse)
_versions = TypeAdapter(schemas.VersionsResponse)
_validation = TypeAdapter(schemas.ValidationResponse)
_estimates = TypeAdapter(schemas.EstimateResponse)


def agent(name: str) -> Resource[schemas.AgentResponse]:
    """Return all that is known of one agent."""
    return Resource(f"/agents/{segment(name)}", _agent, 2.0)


def estimates(model_type: str, task_type: str) -> Resource[schemas.EstimateResponse]:
    """Return what a model expects of each agent on a task type."""
    asked = schemas.EstimateRequest(task_type=task_type)
    path = f"/predict/{segment(model_type)}"
    return Resource(path, _estimates, 5.0, asked)


def versions(model_type: str) -> Resource[schemas.VersionsResponse]:
    """Return a model's saved versions."""
    return Resource(f"/models/{segment(model_type)}/versions", _versions, 5.0)


def validation(model_type: str) -> Resource[schemas.ValidationResponse]:
    """Return how a model did on each hour."""
    return Resource(f"/models/{segment(model_type)}/validation", _validation, 10.0)
