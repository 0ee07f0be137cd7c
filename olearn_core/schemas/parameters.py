"""What stands in a request's path, query and headers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from olearn_core.schemas.bodies import Name
from olearn_core.schemas.dead_letters import LetterId

# Field values are trimmed on their way, and other characters are not portable there.
HeaderText = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=256)]
DecisionId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", min_length=1, max_length=2_400)
]


class Parameters(BaseModel):
    """Parameters of a request; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class ModelPath(Parameters):
    """The type of a model."""

    model_type: Name = Field(
        examples=["success_prediction"], description="As `GET /api/learning/models` lists them."
    )


class AgentPath(Parameters):
    """The name of an agent; a slash in it is written as %2F."""

    name: str = Field(
        min_length=1,
        max_length=768,
        examples=["atlas"],
        description="The agent's name; a slash in it is written as %2F.",
    )


class DecisionPath(Parameters):
    """The `decision_id` that came with a decision."""

    decision_id: DecisionId = Field(description="As it came with the decision.")


class LetterPath(Parameters):
    """The number of a dead letter."""

    id: LetterId = Field(examples=[1], description="The number of the dead letter.")


class PerformanceQuery(Parameters):
    """A row for each agent, or for each agent on each task type."""

    by: Literal["agent", "task_type"] = Field(
        default="agent", description="A row for each agent, or for each agent on each task type."
    )


class EventHeaders(Parameters):
    """What a CloudEvent in binary mode says of itself; what stands in the body wins."""

    ce_id: HeaderText | None = Field(
        default=None, alias="ce-id", description="Id of a binary CloudEvent."
    )
    ce_source: HeaderText | None = Field(
        default=None, alias="ce-source", description="Its source: who reports."
    )


class StreamHeaders(Parameters):
    """The last event that a reader has seen, where it comes back."""

    last_event_id: str | None = Field(default=None, alias="last-event-id")
