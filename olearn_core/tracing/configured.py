"""The spans that a configuration asks for."""

from __future__ import annotations

import importlib

from olearn_core.config import TracingSettings
from olearn_core.errors import ConfigError
from olearn_core.tracing.spans import NoSpans, Spans


def spans_for(settings: TracingSettings, node: str, version: str) -> Spans:
    """
    Return what makes spans.

    :raises ConfigError: where OpenTelemetry is wanted, but not installed
    """
    if not settings.otlp_endpoint:
        return NoSpans()
    try:
        otel = importlib.import_module("olearn_core.tracing.otel")
    except ImportError as error:
        raise ConfigError(
            f"[tracing] otlp_endpoint is set, but {error.name} is not installed:"
            ' pip install "olearn[otel]"'
        ) from error
    spans: Spans = otel.OtelSpans.exporting(settings, node, version)
    return spans
