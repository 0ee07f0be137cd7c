"""Settings, a module for each group of sections."""

from __future__ import annotations

from olearn_core.config.access import ApiSettings, AuthSettings, JwtSettings
from olearn_core.config.addresses import is_loopback, masked_url
from olearn_core.config.decisions import COMPONENTS, DecisionSettings, TenantSettings
from olearn_core.config.learning import DECISION_KEY, SOURCE_KEY, LearningSettings
from olearn_core.config.running import PluginSettings, ServiceSettings
from olearn_core.config.section import Section
from olearn_core.config.settings import (
    OLDER_NAMES,
    PREFIX,
    OlderNames,
    Settings,
    load_settings,
    masked,
)
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

__all__ = [
    "COMPONENTS",
    "DECISION_KEY",
    "OLDER_NAMES",
    "PREFIX",
    "SOURCE_KEY",
    "AlertSettings",
    "ApiSettings",
    "AuthSettings",
    "DatabaseSettings",
    "DecisionSettings",
    "JwtSettings",
    "KafkaSettings",
    "LearningSettings",
    "LoggingSettings",
    "MetricsSettings",
    "OlderNames",
    "PluginSettings",
    "RetentionSettings",
    "Section",
    "ServiceSettings",
    "Settings",
    "TenantSettings",
    "TracingSettings",
    "VersionSettings",
    "is_loopback",
    "load_settings",
    "masked",
    "masked_url",
]
