"""What orchestrators are told."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from olearn_core.schemas.bodies import Answer


class ReadyQuery(BaseModel):
    """What a probe asks for; it is no reason to fail that it asks for more."""

    model_config = ConfigDict(extra="ignore", strict=True)

    verbose: str | None = Field(
        default=None,
        description="Given, with or without a value: each check is told as well.",
    )


class AliveResponse(Answer):
    """The process lives."""

    status: Literal["alive"]


class ReadinessCheck(Answer):
    """One thing that traffic takes, and how it is."""

    status: Literal["ok", "failing"]
    detail: str


class ReadyResponse(Answer):
    """
    Whether a node may have traffic.

    `state` is that of the service (`starting`, `running`, ...). `checks` are told where
    the query asks for them, by name.
    """

    status: Literal["ready", "not ready"]
    state: str
    checks: dict[str, ReadinessCheck] | None = None
