from __future__ import annotations

import asyncio
import json

from olearn_core.api.operations import OPERATIONS
from olearn_core.cli import doctor, probes
from olearn_core.cli.probes import Probe
from olearn_core.client import OlearnClient, Reply


def test_every_route_of_a_new_service_is_called_and_well(call, service):
    result = call("doctor", "--url", service.url, "--json")
    examined = json.loads(result.stdout)
    assert result.exit_code == 0, examined
    assert len(examined["routes"]) == len(OPERATIONS)
    assert all(route["ok"] for route in examined["routes"])
    assert examined["ok"]


def test_it_teaches_the_service_nothing(call, call_json, service):
    call("doctor", "--url", service.url)
    call("doctor", "--url", service.url)
    assert call_json("agents", "list", "--url", service.url) == []


def test_it_decides_nothing(call, call_json, service):
    assert call("doctor", "--url", service.url).exit_code == 0
    figures = asyncio.run(scraped(service.url))
    assert "olearn_predictions_total" in figures
    assert "olearn_predictions_total{" not in figures


async def scraped(url):
    async with OlearnClient(url) as client:
        reply = await client.request("GET", "/metrics")
    return reply.content.decode()


def test_what_only_learners_or_operators_refuse_is_not_asked():
    found = {f"{probe.method} {probe.path}": probe.not_asked for probe in probes.probes()}
    assert found["GET /metrics"] == {403}
    assert found["POST /api/learning/models/save"] == {403, 421}
    assert found["POST /api/learning/decisions"] == {421}
    assert found["GET /api/learning/status"] == set()


def test_a_route_that_is_not_asked_is_no_failure(call, service, monkeypatch):
    spared = Probe("GET", "/api/learning/nothing", None, frozenset({200}), frozenset({404}))
    monkeypatch.setattr(probes, "probes", lambda: [spared])
    result = call("doctor", "--url", service.url)
    assert result.exit_code == 0
    assert "FAILED" not in result.stdout
    assert result.stdout.strip().endswith("every route answers, 1 not asked, 0 warnings")


def test_the_summary_stands_at_the_end(call, service):
    lines = call("doctor", "--url", service.url).stdout.strip().splitlines()
    assert lines[-1] == f"{service.url}: every route answers, 0 warnings"


def test_a_route_that_fails_makes_the_exit_code_1(call, service, monkeypatch):
    broken = Probe("GET", "/api/learning/nothing", None, frozenset({200}))
    monkeypatch.setattr(probes, "probes", lambda: [broken])
    result = call("doctor", "--url", service.url)
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "1 of 1 routes failed" in result.stdout


def test_every_route_without_a_body_that_changes_something_is_known():
    """A new one must be looked at: the doctor would call it as it is."""
    bare = {op.path for op in OPERATIONS if op.method != "GET" and op.takes is None}
    assert bare == {"/api/learning/models/save", "/api/learning/agents/{name}/reinstate"}


def test_a_route_with_a_body_that_is_not_known_is_asked_to_refuse():
    refused = [p for p in probes.probes() if p.content == b"[]"]
    assert {p.path for p in refused} >= {"/api/learning/outcomes"}
    assert all({400, 422} <= p.expected <= {400, 404, 422} for p in refused)


def test_answers_in_brief():
    assert doctor._says(Reply(200, b'{"a": [1, 2], "b": null}', 0.0)) == "a (2), b -"
    assert doctor._says(Reply(200, b"[1]", 0.0)) == "1 rows"
    assert doctor._says(Reply(200, b"plain", 0.0)) == "plain"
    assert len(doctor._says(Reply(500, b"x" * 500, 0.0))) == doctor.BRIEF
