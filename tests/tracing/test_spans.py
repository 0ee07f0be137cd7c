"""Requests, decisions and checkpoints as spans of OpenTelemetry, and nothing of it for others."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from olearn_core.config import Settings
from olearn_core.errors import ConfigError
from olearn_core.tracing.configured import spans_for
from olearn_core.tracing.otel import OtelSpans
from tests.api.conftest import Serving
from tests.api.test_observed import Lines
from tests.support.services import eventually, running, settings_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What services of this test have exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = OtelSpans(provider)
    monkeypatch.setattr("olearn_core.service.parts.spans_for", lambda *_: spans)
    return exporter


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def test_a_decision_is_a_span_of_its_request_in_the_callers_trace(
    serving: Serving, exporter: InMemorySpanExporter
) -> None:
    async with serving() as api:
        body = {"eligible_agents": ["ada"], "task_type": "code"}
        await api.post("/decisions", json=body, headers=CALLER)
    (request,) = named(exporter, "POST /api/learning/decisions")
    (decision,) = named(exporter, "olearn.decide")
    assert f"{request.context.trace_id:032x}" == TRACE
    assert request.attributes["http.response.status_code"] == 200
    assert decision.parent.span_id == request.context.span_id
    assert decision.attributes["olearn.agent"] == "ada"
    assert decision.attributes["olearn.propensity"] == 1.0


async def test_a_checkpoint_is_a_span(serving: Serving, exporter: InMemorySpanExporter) -> None:
    async with serving() as api:
        await api.learn({"agent_name": "ada", "status": "success"})
        (span,) = await eventually(lambda: named(exporter, "olearn.checkpoint"))
    assert span.attributes["olearn.partitions"] == 1
    assert span.attributes["olearn.fenced"] == 0


async def test_health_and_metrics_are_not_traced(
    serving: Serving, exporter: InMemorySpanExporter
) -> None:
    async with serving() as api:
        for path in ("/livez", "/readyz?verbose", "/metrics"):
            assert (await api.client.get(path)).status_code == 200
    assert not [span for span in exporter.get_finished_spans() if "GET" in span.name]


async def test_log_lines_name_the_span_that_they_belong_to(
    serving: Serving, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    from olearn_core.logs import JsonFormatter

    lines = Lines(JsonFormatter())
    logger = logging.getLogger("olearn_core.access")
    logger.addHandler(lines)
    try:
        async with serving(logging={"access": "info"}) as api:
            caplog.set_level(logging.INFO)
            await api.get("/status")
    finally:
        logger.removeHandler(lines)
    (span,) = named(exporter, "GET /api/learning/status")
    line = json.loads(lines.lines[0])
    assert line["trace_id"] == f"{span.context.trace_id:032x}"
    assert line["span_id"] == f"{span.context.span_id:016x}"


class _Collector(BaseHTTPRequestHandler):
    """A collector that takes whatever comes."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Collector)
    server.received = []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_spans_are_sent_to_the_collector_at_the_end_at_the_latest(
    tmp_path: Path, sqlite_url: str, collector: HTTPServer
) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    settings = settings_for(tmp_path, sqlite_url, tracing={"otlp_endpoint": endpoint})
    async with running(settings) as run:
        with run.service.spans.span("olearn.test"):
            assert run.service.spans.ids() is not None
    (sent,) = collector.received  # type: ignore[attr-defined]
    assert sent[0] == "/v1/traces"
    assert b"olearn.test" in sent[2]
    assert run.service.instance.encode() in sent[2]


def test_nothing_of_opentelemetry_is_loaded_where_it_is_not_configured() -> None:
    script = """
import sys
import olearn_core.api.app, olearn_core.service, olearn_core.cli.serve
from olearn_core.config import Settings
from olearn_core.tracing.configured import spans_for
spans_for(Settings().tracing, "n", "1")
sys.exit(any(name.startswith("opentelemetry") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == 0


def test_without_the_extra_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "olearn_core.tracing.otel", raising=False)
    settings = Settings(tracing={"otlp_endpoint": "http://127.0.0.1:4318/v1/traces"})
    with pytest.raises(ConfigError, match=r"olearn\[otel\]"):
        spans_for(settings.tracing, "n", "1")
