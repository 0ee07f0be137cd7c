"""A section of the configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of config.toml; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
