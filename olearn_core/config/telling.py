"""What a service tells of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from olearn_core.config.section import Section


class AlertSettings(Section):
    """What is watched."""

    interval_seconds: float = Field(default=5.0, gt=0)
    drift: bool = True
    drift_days: float = Field(default=7.0, gt=0, le=28)
    drift_interval_seconds: float = Field(default=60.0, gt=0)
    dangling_minutes: float = Field(default=60.0, ge=0)
    window_minutes: float = Field(default=5.0, gt=0)
    failed_update_share: float = Field(default=0.05, ge=0, le=1)
    mean_update_ms: float = Field(default=1_000.0, gt=0)
    lag_records: int = Field(default=1_000, ge=0)
    lag_seconds: float = Field(default=5.0, ge=0)
    least_improvement: float = Field(default=-0.10, ge=-1)
    least_outcomes: int = Field(default=30, ge=1)
    dead_letter_share: float = Field(default=0.10, ge=0, le=1)
    never_learning_minutes: float = Field(default=10.0, gt=0)
    stale_model_minutes: float = Field(default=30.0, gt=0)


class LoggingSettings(Section):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"
    access: Literal["off", "debug", "info"] = "debug"


class MetricsSettings(Section):
    """What `/metrics` tells apart; names beyond these caps are `__other__`."""

    most_tenants: int = Field(default=20, ge=0)
    most_agents: int = Field(default=50, ge=0)
    most_task_types: int = Field(default=50, ge=0)


class TracingSettings(Section):
    """Where spans are sent; nowhere by default, and then nothing of OpenTelemetry is loaded."""

    otlp_endpoint: str = ""
    sample_ratio: float = Field(default=1.0, ge=0, le=1)
