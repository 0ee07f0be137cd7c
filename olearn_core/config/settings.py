"""
Settings: config.toml, overridden by the environment.

`OLEARN_SECTION__KEY` overrides a key; the names that older deployments use work
too. Unknown keys are refused. Options of models are checked after loading them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from olearn_core.config.access import ApiSettings, AuthSettings, JwtSettings
from olearn_core.config.addresses import masked_url
from olearn_core.config.decisions import DecisionSettings
from olearn_core.config.learning import LearningSettings
from olearn_core.config.mistakes import explained, refuse_wrong_variables
from olearn_core.config.running import PluginSettings, ServiceSettings
from olearn_core.config.stores import (
    DatabaseSettings,
    KafkaSettings,
    RetentionSettings,
    VersionSettings,
)
from olearn_core.config.telling import (
    AlertSettings,
    LoggingSettings,
    MetricsSettings,
    TracingSettings,
)
from olearn_core.errors import ConfigError

PREFIX = "OLEARN_"

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

    service: ServiceSettings = ServiceSettings()
    api: ApiSettings = ApiSettings()
    auth: AuthSettings = AuthSettings()
    jwt: JwtSettings = JwtSettings()
    database: DatabaseSettings = DatabaseSettings()
    kafka: KafkaSettings = KafkaSettings()
    learning: LearningSettings = LearningSettings()
    decisions: DecisionSettings = DecisionSettings()
    alerts: AlertSettings = AlertSettings()
    versions: VersionSettings = VersionSettings()
    retention: RetentionSettings = RetentionSettings()
    plugins: PluginSettings = PluginSettings()
    logging: LoggingSettings = LoggingSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
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
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    refuse_wrong_variables(os.environ, PREFIX, sections)

    class Located(Settings):
        model_config = SettingsConfigDict(toml_file=chosen or Path("config.toml"))

    try:
        return Located(**given)
    except ValidationError as error:
        raise ConfigError(explained(error, Settings)) from None
    except ValueError as error:
        raise ConfigError(f"{chosen or 'config.toml'}: {error}") from None


def masked(settings: Settings) -> dict[str, Any]:
    """Return the effective settings as plain values, secrets hidden."""
    shown: dict[str, Any] = settings.model_dump(mode="json")
    shown["database"]["url"] = masked_url(settings.database.url)
    return shown
