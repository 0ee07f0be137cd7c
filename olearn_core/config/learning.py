"""How outcomes are learned."""

from __future__ import annotations

from pydantic import Field, field_validator

from olearn_core.config.section import Section

SOURCE_KEY = "ce_source"
DECISION_KEY = "decision_id"


class LearningSettings(Section):
    """How outcomes become sums."""

    batch_size: int = Field(default=10, ge=1)
    batch_timeout_seconds: float = Field(default=0.2, gt=0)
    largest_batch: int = Field(default=8_000, ge=10)
    slice_size: int = Field(default=2_000, ge=1)
    checkpoint_interval_seconds: float = Field(default=0.2, gt=0)
    base_interval_seconds: float = Field(default=60.0, gt=0)
    base_interval_bytes: int = Field(default=1 << 20, ge=1_024)
    poll_interval_seconds: float = Field(default=0.25, gt=0)
    retry_seconds: float = Field(default=1.0, gt=0)
    dedup_ids: int = Field(default=8_000_000, ge=1_000)
    dedup_ratings: int = Field(default=1_000_000, ge=1_000)
    context_keys: tuple[str, ...] = ("complexity", "domain")
    most_source_share: float = Field(default=1.0, gt=0, le=1)
    most_sources: int = Field(default=50, ge=1)
    most_tenants: int = Field(default=1_000, ge=1)
    most_agents: int = Field(default=500, ge=1)
    most_task_types: int = Field(default=200, ge=1)
    most_context_values: int = Field(default=50, ge=1)
    most_cells: int = Field(default=1_000_000, ge=1_000)
    breaker_records: int = Field(default=200, ge=1)
    breaker_share: float = Field(default=0.5, gt=0, le=1)
    breaker_pause_seconds: float = Field(default=30.0, gt=0)
    stall_seconds: float = Field(default=60.0, ge=1)

    @property
    def tells_sources_apart(self) -> bool:
        """Whether sources get cells of their own, so that their weight can be held down."""
        return self.most_source_share < 1

    @field_validator("context_keys")
    @classmethod
    def _not_reserved(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if SOURCE_KEY in keys:
            raise ValueError(f"{SOURCE_KEY!r} is taken, see most_source_share")
        if DECISION_KEY in keys:
            raise ValueError(f"{DECISION_KEY!r} is taken: it is different in every outcome")
        return keys
