"""Spans for OpenTelemetry. Needs `pip install "olearn[otel]"`; imported only where configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware
from starlette.types import ASGIApp

from olearn_core.config import TracingSettings
from olearn_core.tracing.spans import Attribute, Span, TraceIds

NAME = "olearn"
PREFIX = "olearn."
EXPORT_SECONDS = 2.0  # a collector that is away holds the end of the process up for so long
NOT_TRACED = (r"/(livez|readyz|healthz|metrics)(\?|$)", r"/api/learning/stream(\?|$)")


class _OtelSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, **attributes: Attribute) -> None:
        self._span.set_attributes({PREFIX + name: value for name, value in attributes.items()})


class OtelSpans:
    """Makes spans of one provider, which is nobody else's."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME)

    @classmethod
    def exporting(cls, settings: TracingSettings, node: str, version: str) -> OtelSpans:
        """
        Return what sends its spans to a collector, in batches from a thread of its own.

        :param node: who says so
        :param version: of olearn
        """
        names = {"service.name": NAME, "service.version": version, "service.instance.id": node}
        provider = TracerProvider(
            resource=Resource.create(names),
            sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, timeout=EXPORT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    @contextmanager
    def span(self, name: str, **attributes: Attribute) -> Iterator[Span]:
        """Return a span that lasts as long as its block; an error inside is noted."""
        with self._tracer.start_as_current_span(name) as span:
            ours = _OtelSpan(span)
            ours.set(**attributes)
            yield ours

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return an application whose requests continue their callers' traces."""
        return OpenTelemetryMiddleware(
            app, tracer_provider=self._provider, excluded_urls=NOT_TRACED
        )

    def ids(self) -> TraceIds | None:
        """Return where in a trace one stands now, None outside of any."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return TraceIds(f"{context.trace_id:032x}", f"{context.span_id:016x}")

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
