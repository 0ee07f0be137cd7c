"""Alerts on their ways out: the API, the topic, the command line; firing and over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from olearn_core.client import OlearnClient
from olearn_core.schemas import AlertBody, AlertsResponse
from tests.api.conftest import Serving
from tests.cli.conftest import call, call_json
from tests.cli.serving import Serving as Process
from tests.servers.fixtures import Broker, create_topic
from tests.support.services import eventually, publish, running, settings_for

__all__ = ["call", "call_json"]

BAD = [b'{"agent_name": "ada", "status": "odd", "event_id": "%d"}' % n for n in range(30)]
QUICK = {"interval_seconds": 0.02, "window_minutes": 0.02}


async def test_a_storm_of_dead_letters_is_shown_while_it_lasts_and_afterwards(
    serving: Serving,
) -> None:
    async with serving(alerts=QUICK) as api:

        async def alerts() -> AlertsResponse:
            return AlertsResponse.model_validate_json((await api.get("/alerts")).text)

        assert (await alerts()).firing == []
        await publish(api.service.publisher, BAD)

        async def begun() -> list[AlertBody]:
            return (await alerts()).firing

        (alert,) = await eventually(begun)
        assert (alert.kind, alert.severity, alert.state) == ("dead_letters", "warning", "firing")
        assert "olearn dead-letters list" in alert.message
        assert alert.node == api.service.instance

        async def over() -> list[AlertBody]:
            return (await alerts()).recent

        (resolved,) = await eventually(over)
        assert (resolved.id, resolved.state) == (alert.id, "resolved")
        assert resolved.resolved_at > alert.since
        assert (await alerts()).firing == []


async def test_readers_of_the_stream_are_told_of_both_edges(serving: Serving) -> None:
    async with serving(alerts=QUICK) as api:
        reader = api.service.telling.hub.attach({"alert"}, "default", "default")
        await publish(api.service.publisher, BAD)
        told: list[dict[str, Any]] = []
        while len(told) < 2:
            told += [json.loads(event.data) for event in await reader.take(10)]
        assert [alert["state"] for alert in told] == ["firing", "resolved"]
        assert told[0]["id"] == told[1]["id"]


async def test_a_fault_of_the_service_is_an_alert_as_well_as_a_problem(serving: Serving) -> None:
    async with serving(alerts=QUICK) as api:
        api.service.worker.problems["outcomes/9"] = "stopped: the log was made anew"
        await eventually(lambda: api.service.alerts.current)
        (alert,) = (await api.get("/alerts")).json()["firing"]
        assert (alert["kind"], alert["severity"]) == ("fault", "critical")
        assert alert["subject"] == ["outcomes/9"]
        warnings = (await api.get("/status")).json()["warnings"]
        assert warnings == ["outcomes/9: stopped: the log was made anew"]


@pytest.mark.kafka
async def test_the_topic_of_alerts_has_each_edge_once(
    tmp_path: Path, sqlite_url: str, kafka_broker: Broker
) -> None:
    servers = kafka_broker.bootstrap
    outcomes, topic = [await create_topic(servers, 1) for _ in range(2)]
    kafka = {"bootstrap_servers": servers, "outcome_topic": outcomes, "group": outcomes}
    settings = settings_for(
        tmp_path, sqlite_url, kafka=kafka | {"alerts_topic": topic}, alerts=QUICK
    )
    async with running(settings) as run:
        await publish(run.service.publisher, BAD)
        await eventually(lambda: run.service.alerts.book.recent)
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            async with asyncio.timeout(20):
                records = [await consumer.getone() for _ in range(2)]
        finally:
            await consumer.stop()
    told = [AlertBody.model_validate_json(record.value) for record in records]
    assert [alert.state for alert in told] == ["firing", "resolved"]
    assert {record.key for record in records} == {b"dead_letters/"}


class TestTheCommand:
    @pytest.fixture
    def process(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
        """A service to which every update is slow."""
        quick = {"MEAN_UPDATE_MS": "0.0001", "INTERVAL_SECONDS": "0.05"}
        names = {f"OLEARN_ALERTS__{name}": value for name, value in quick.items()}
        with Process(tmp_path_factory.mktemp("alerts"), **names) as process:
            yield process

    def test_it_lists_what_is_firing(self, process: Process, call, call_json) -> None:
        async def until_firing() -> None:
            async with OlearnClient(process.url) as client:
                await client.report({"agent_name": "ada", "status": "success"})

                async def firing() -> list[AlertBody]:
                    return (await client.alerts()).firing

                await eventually(firing)

        asyncio.run(until_firing())
        (alert,) = call_json("alerts", "--url", process.url)["firing"]
        assert alert["kind"] == "slow_updates"
        said = call("alerts", "--recent", "--url", process.url).stdout
        assert "slow_updates" in said
        assert "checkpoint_interval_seconds" in said
        assert "Resolved" in said
