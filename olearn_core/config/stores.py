"""Where outcomes come from, where state is kept, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from olearn_core.config.section import Section
from olearn_core.schemas import Name

DRIVERS = ("postgresql+asyncpg://", "sqlite+aiosqlite://")


class DatabaseSettings(Section):
    """Where everything is kept."""

    url: str = Field(default="sqlite+aiosqlite:///olearn.db", repr=False)
    upgrade_on_start: bool | None = None
    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    pool_size: int = Field(default=5, ge=1)

    @field_validator("url")
    @classmethod
    def _names_a_driver_that_is_there(cls, url: str) -> str:
        if not url.startswith(DRIVERS):
            raise ValueError(f"it begins with {' or '.join(DRIVERS)}")
        return url

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.url.startswith("sqlite")

    @property
    def upgrades_on_start(self) -> bool:
        """Whether `olearn serve` migrates by itself: by default the embedded one only."""
        return self.is_sqlite if self.upgrade_on_start is None else self.upgrade_on_start


class KafkaSettings(Section):
    """The broker. Without one the service keeps a log in its own database."""

    enabled: bool | None = None
    bootstrap_servers: str = ""
    outcome_topic: str = "agent-outcomes"
    metrics_topic: str = ""
    alerts_topic: str = ""
    decisions_topic: str = ""
    topic_tenants: dict[str, Annotated[tuple[Name, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    group: str = "olearn"
    start: Literal["earliest", "latest"] = "earliest"
    session_timeout_ms: int = Field(default=15_000, ge=1_000)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ssl_ca_file: str = ""
    ssl_cert_file: str = ""
    ssl_key_file: str = ""
    ssl_key_password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _topics_apart(self) -> Self:
        if self.decisions_topic == self.outcome_topic:
            raise ValueError("decisions_topic and outcome_topic are different topics")
        return self

    @property
    def in_use(self) -> bool:
        """Whether outcomes come over Kafka: as told, else where servers are named."""
        return bool(self.bootstrap_servers) if self.enabled is None else self.enabled


class VersionSettings(Section):
    """Saved versions of the models."""

    storage_path: Path = Path("./models")
    save_interval_seconds: float = Field(default=300.0, gt=0)


class RetentionSettings(Section):
    """How long things are kept."""

    interval_seconds: float = Field(default=3_600.0, gt=0)
    ledger_days: float = Field(default=7.0, ge=1)
    dead_letter_days: float = Field(default=30.0, ge=1)
    outcome_log_days: float = Field(default=7.0, ge=0)
    decision_log_days: float = Field(default=7.0, ge=0)
    version_hours: float = Field(default=24.0, ge=1)
    version_days: float = Field(default=30.0, ge=1)
