"""
Settings: config.toml, overridden by the environment.

`OLEARN_SECTION__KEY` overrides a key; the names that older deployments use work
too. Unknown keys are refused. Options of models are checked after loading them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from olearn_core.errors import ConfigError

PREFIX = "OLEARN_"
COMPONENTS = ("success", "quality", "latency", "cost")

OLDER_NAMES = {
    "ENABLE_KAFKA": ("kafka", "enabled"),
    "KAFKA_BOOTSTRAP_SERVERS": ("kafka", "bootstrap_servers"),
    "KAFKA_OUTCOME_TOPIC": ("kafka", "outcome_topic"),
    "KAFKA_METRICS_TOPIC": ("kafka", "metrics_topic"),
    "KAFKA_ALERTS_TOPIC": ("kafka", "alerts_topic"),
    "MODEL_BATCH_SIZE": ("learning", "batch_size"),
    "MODEL_BATCH_TIMEOUT": ("learning", "batch_timeout_seconds"),
    "MODEL_STORAGE_PATH": ("versions", "storage_path"),
    "MODEL_SAVE_INTERVAL": ("versions", "save_interval_seconds"),
}


class Section(BaseModel):
    """A table of config.toml; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSettings(Section):
    """Where the HTTP API listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    max_body_bytes: int = Field(default=1 << 20, ge=1_024)


class DatabaseSettings(Section):
    """Where everything is kept."""

    url: str = Field(default="sqlite+aiosqlite:///olearn.db", repr=False)
    upgrade_on_start: bool | None = None
    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    pool_size: int = Field(default=5, ge=1)

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

    @property
    def in_use(self) -> bool:
        """Whether outcomes come over Kafka: as told, else where servers are named."""
        return bool(self.bootstrap_servers) if self.enabled is None else self.enabled


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
    dedup_ids: int = Field(default=8_000_000, ge=1_000)
    dedup_ratings: int = Field(default=1_000_000, ge=1_000)
    context_keys: tuple[str, ...] = ("complexity", "domain")
    most_agents: int = Field(default=500, ge=1)
    most_task_types: int = Field(default=200, ge=1)
    most_context_values: int = Field(default=50, ge=1)


class DecisionSettings(Section):
    """How an agent is chosen."""

    policy: str = "agent_selection"
    exploration_floor: float = Field(default=0.01, ge=0, le=1)
    candidate_days: int = Field(default=30, ge=1)
    require_decision_token: bool = False
    weights: dict[str, float] = {"success": 0.6, "quality": 0.2, "latency": 0.1, "cost": 0.1}

    @field_validator("weights")
    @classmethod
    def _known_components(cls, weights: dict[str, float]) -> dict[str, float]:
        if unknown := weights.keys() - set(COMPONENTS):
            raise ValueError(f"there is no component {min(unknown)!r}, but {COMPONENTS}")
        if min(weights.values(), default=-1) < 0 or not sum(weights.values()):
            raise ValueError("weights are not negative, and not all zero")
        return weights


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


class PluginSettings(Section):
    """Which plugins are left out."""

    disabled: tuple[str, ...] = ()


class LoggingSettings(Section):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class OlderNames(PydanticBaseSettingsSource):
    """Environment variables of older deployments."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing for single fields: all come at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the sections that older names speak of."""
        found: dict[str, Any] = {}
        for name, (section, key) in OLDER_NAMES.items():
            if name in os.environ:
                found.setdefault(section, {})[key] = os.environ[name]
        return found


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    api: ApiSettings = ApiSettings()
    database: DatabaseSettings = DatabaseSettings()
    kafka: KafkaSettings = KafkaSettings()
    learning: LearningSettings = LearningSettings()
    decisions: DecisionSettings = DecisionSettings()
    versions: VersionSettings = VersionSettings()
    retention: RetentionSettings = RetentionSettings()
    plugins: PluginSettings = PluginSettings()
    logging: LoggingSettings = LoggingSettings()
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Rank: given in code, OLEARN_…, older names, the file."""
        file = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, OlderNames(settings_cls), file


def load_settings(path: Path | None = None, **given: Any) -> Settings:
    """
    Read `path`, else $OLEARN_CONFIG, else ./config.toml where it is there.

    :param given: sections that override file and environment
    :raises ConfigError: naming every key that is wrong
    """
    chosen = path or (Path(p) if (p := os.environ.get("OLEARN_CONFIG")) else None)
    if chosen is not None and not chosen.is_file():
        raise ConfigError(f"there is no configuration file {chosen}")
    _refuse_unknown_sections(os.environ)

    class Located(Settings):
        model_config = SettingsConfigDict(toml_file=chosen or Path("config.toml"))

    try:
        return Located(**given)
    except ValidationError as error:
        raise ConfigError(_explained(error)) from None
    except ValueError as error:
        raise ConfigError(f"{chosen or 'config.toml'}: {error}") from None


def masked(settings: Settings) -> dict[str, Any]:
    """Return the effective settings as plain values, secrets hidden."""
    shown: dict[str, Any] = settings.model_dump(mode="json")
    shown["database"]["url"] = masked_url(settings.database.url)
    return shown


def masked_url(url: str) -> str:
    """Return a database URL without its password, wherever it stands."""
    url = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&][^=&]*(?:password|passwd|secret|key)[^=&]*)=[^&]*", r"\1=***", url)


def _refuse_unknown_sections(environ: Mapping[str, str]) -> None:
    for name in environ:
        section, separator, _ = name.removeprefix(PREFIX).lower().partition("__")
        if name.startswith(PREFIX) and separator and section not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise ConfigError(f"{name}: there is no section {section!r}, but {known}")


def _explained(error: ValidationError) -> str:
    lines = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
    ]
    return "the configuration is not valid:\n  " + "\n  ".join(lines)
