"""What Prometheus is told: true figures, in base units, under a bounded number of labels."""

from __future__ import annotations

import math
import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strictly_read

from olearn_core.metrics.capped import Capped
from olearn_core.metrics.families import FAMILIES
from tests.api.conftest import Serving
from tests.support.scrapes import lived, scraped
from tests.support.services import publish, received


async def test_what_a_service_did_is_what_it_tells(serving: Serving) -> None:
    async with serving() as api:
        await lived(api)
        scrape = await scraped(api)
    events = {
        result: scrape.value("olearn_events_consumed_total", result=result)
        for result in ("samples", "duplicates", "dead_letters", "not_taught")
    }
    assert events == {"samples": 2, "duplicates": 1, "dead_letters": 1, "not_taught": 0}
    assert scrape.value("olearn_events_dead_lettered_total", reason="/status") == 1
    assert scrape.value("olearn_batch_size_events_sum") == 4
    updates = scrape.value("olearn_update_duration_seconds_count")
    assert updates == api.service.instruments.updates >= 3
    assert scrape.value("olearn_event_end_to_end_seconds_count") == updates
    assert scrape.value("olearn_predictions_total", policy="agent_selection", task_type="code") == 1
    assert scrape.value("olearn_decision_propensity_ratio_sum") == 1.0
    assert scrape.value("olearn_explorations_total") == 0
    assert scrape.value("olearn_kafka_consumer_lag_records", topic="outcomes", partition="0") == 0
    assert scrape.value("olearn_kafka_consumer_lag_seconds") == 0
    assert scrape.value("olearn_model_score_ratio") == 1.0
    assert math.isnan(scrape.value("olearn_model_improvement_ratio"))
    assert scrape.value("olearn_model_version_info", model_type="agent_selection", version="1") == 1
    assert scrape.value("olearn_ready") == 1


async def test_agents_are_told_in_base_units(serving: Serving) -> None:
    async with serving() as api:
        await lived(api)
        scrape = await scraped(api)
    ada = {"tenant": "default", "agent": "ada"}
    assert scrape.value("olearn_agent_executions_total", **ada) == 2
    assert scrape.value("olearn_agent_success_total", **ada) == 1
    assert scrape.value("olearn_agent_latency_seconds_sum", **ada) == pytest.approx(1.0)
    assert scrape.value("olearn_agent_latency_seconds_count", **ada) == 2
    assert scrape.value("olearn_agent_cost_usd_total", **ada) == pytest.approx(0.5)


async def test_requests_are_told_by_the_template_of_their_path(serving: Serving) -> None:
    async with serving() as api:
        await api.get("/models/agent_selection")
        await api.get("/models/nobody")
        await api.client.get("/whatever/somebody/types")
        await api.client.request("BREW", "/livez")
        scrape = await scraped(api)
    name = "http_server_request_duration_seconds_count"
    routes = scrape.labels(name, "http_route")
    assert routes <= {"/api/learning/models/{model_type}", "unmatched", "/livez"}
    template = "/api/learning/models/{model_type}"
    assert scrape.value(name, http_route=template, http_response_status_code="200") == 1
    assert scrape.value(name, http_route=template, http_response_status_code="404") == 1
    assert scrape.value(name, http_request_method="_OTHER") == 1


async def test_names_beyond_the_caps_share_a_label(serving: Serving) -> None:
    caps = {"most_tenants": 2, "most_agents": 3, "most_task_types": 2}
    async with serving(metrics=caps) as api:
        records = [
            f'{{"tenant_id": "t{n % 5}", "agent_name": "a{n}", "status": "success"}}'.encode()
            for n in range(50)
        ]
        await publish(api.service.publisher, records)
        await received(api.service, len(records))
        for task_type in ("x", "y", "z", "zz"):
            body = {"eligible_agents": ["ada"], "task_type": task_type}
            await api.post("/decisions", json=body)
        scrape = await scraped(api)
    assert len(scrape.labels("olearn_agents", "tenant")) == 2
    agents = scrape.labels("olearn_agent_executions_total", "agent")
    assert len(agents) == 2 * 3 + 1
    assert "__other__" in agents
    assert scrape.value("olearn_agent_executions_total", tenant="t0") == 10, "totals stay true"
    assert scrape.labels("olearn_predictions_total", "task_type") == {"x", "y", "__other__"}


async def test_names_are_as_prometheus_would_have_them(serving: Serving) -> None:
    async with serving() as api:
        await lived(api)
        scrape = await scraped(api)
        open_metrics = await api.client.get(
            "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")
    families = list(strictly_read(open_metrics.text))
    assert all(family.documentation for family in families)
    kinds = {family.name: family.type for family in families if family.name[:6] == "olearn"}
    assert set(kinds.values()) == {"counter", "gauge", "histogram", "summary"}
    ours = {name for name in scrape.names if name.startswith("olearn_")}
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in ours)
    assert not {name for name in scrape.names if name.endswith("_created")}
    told = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scrape.text, re.MULTILINE))
    for name, kind in told.items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|millis|micros|minutes|percent)(_|$)", name), name
    assert not FAMILIES.keys() - told.keys(), "everything declared is told"


def test_a_name_keeps_its_label() -> None:
    label = Capped(2)
    assert [label(name) for name in "abcab"] == ["a", "b", "__other__", "a", "b"]
