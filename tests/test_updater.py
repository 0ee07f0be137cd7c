"""The older Python call, from code without an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from olearn_core import ModelType, get_model_updater
from olearn_core.config import load_settings
from olearn_core.errors import ConfigError, NotReadyError, SourceError
from olearn_core.updater import ModelUpdater, _Current
from tests.servers.fixtures import create_topic
from tests.support.events import outcome


@pytest.fixture(autouse=True)
def _a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLEARN_LEARNING__CHECKPOINT_INTERVAL_SECONDS", "0.02")
    monkeypatch.setenv("OLEARN_LEARNING__POLL_INTERVAL_SECONDS", "0.05")
    yield
    if _Current.updater is not None:
        _Current.updater.stop()
        _Current.updater = None


def teach(updater: ModelUpdater, *records: bytes) -> None:
    """Publish records and wait, from plain code, until they are learned."""
    before = updater.get_metrics()["samples_processed"]

    async def publish(service) -> None:
        for record in records:
            await service.publisher.publish("k", record)

    service = updater._ready.result(1)
    asyncio.run_coroutine_threadsafe(publish(service), updater._loop).result(10)
    deadline = time.monotonic() + 20
    while updater.get_metrics()["samples_processed"] < before + len(records):
        assert time.monotonic() < deadline


def test_it_starts_learns_predicts_and_stops() -> None:
    updater = get_model_updater()
    assert updater.is_running
    assert updater.predict(ModelType.AGENT_SELECTION) == []
    assert updater.get_metrics()["current_model_score"] is None
    teach(
        updater,
        outcome(agent_name="fast", latency_ms=10, cost_usd=1.0),
        outcome(agent_name="slow", latency_ms=10_000, cost_usd=0.01, status="failure"),
        outcome(agent_name="third"),
    )
    selected = updater.predict(ModelType.AGENT_SELECTION, task_type="code", context={}, top_k=2)
    assert len(selected) == 2
    assert all(isinstance(agent, str) and isinstance(score, float) for agent, score in selected)
    assert updater.predict(ModelType.LATENCY_PREDICTION, task_type="code")[0][0] == "fast"
    assert updater.predict(ModelType.COST_PREDICTION, task_type="code")[0][0] == "slow"
    assert updater.predict("success_prediction", task_type="code")[0][0] in ("fast", "third")
    metrics = updater.get_metrics()
    assert metrics["samples_processed"] == 3
    assert metrics["current_model_score"] == pytest.approx(2 / 3)
    updater.stop()
    assert not updater.is_running
    with pytest.raises(NotReadyError):
        updater.get_metrics()


def test_it_is_one_and_the_same_until_a_new_one_is_forced() -> None:
    first = get_model_updater()
    assert get_model_updater() is first
    second = get_model_updater(force_new=True)
    assert second is not first
    assert second.is_running
    assert not first.is_running


def test_what_was_learned_is_there_after_a_restart() -> None:
    updater = get_model_updater()
    teach(updater, outcome())
    updater.stop()
    updater.start()
    assert updater.get_metrics()["samples_processed"] == 1
    assert updater.predict(ModelType.AGENT_SELECTION)[0][0] == "ada"
    updater.start()  # once more is no harm


def test_it_is_a_context_manager() -> None:
    with ModelUpdater(load_settings()) as updater:
        assert updater.is_running
    assert not updater.is_running


def test_what_is_missing_is_said_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1"):
        get_model_updater("127.0.0.1:1")
    monkeypatch.setenv("OLEARN_API__PORT", "x")
    with pytest.raises(ConfigError):
        get_model_updater()


@pytest.mark.kafka
def test_it_learns_from_kafka(kafka_broker, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = asyncio.run(create_topic(kafka_broker.bootstrap, 1))
    monkeypatch.setenv("KAFKA_OUTCOME_TOPIC", topic)
    monkeypatch.setenv("OLEARN_KAFKA__GROUP", topic)
    monkeypatch.setenv("OLEARN_KAFKA__SESSION_TIMEOUT_MS", "6000")
    updater = get_model_updater(kafka_servers=kafka_broker.bootstrap)
    teach(updater, outcome(agent_name="from-kafka"))
    assert updater.predict(ModelType.AGENT_SELECTION)[0][0] == "from-kafka"
    assert updater._settings.kafka.group == topic, "what is configured beside the servers stays"
