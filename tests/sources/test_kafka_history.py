"""A topic is read from a time on to its end, and decisions are written to theirs."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from olearn_core.config import KafkaSettings
from olearn_core.errors import SourceError
from olearn_core.models import Utility
from olearn_core.sources import kafka_decisions
from olearn_core.sources.kafka_decisions import KafkaDecisions
from olearn_core.sources.kafka_history import records_since
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.sources.publisher import Publisher
from olearn_core.storage.decision_log import LoggedDecision, decode_decision
from tests.servers.fixtures import CreateTopic

pytestmark = pytest.mark.kafka


def decision(number: int) -> LoggedDecision:
    return LoggedDecision(
        nonce=f"{number:024x}",
        tenant="default",
        task_type="code",
        context={},
        agents=["ada"],
        law=[1.0],
        scores=[0.5],
        agent="ada",
        propensity=1.0,
        utility=Utility(),
        policy="agent_selection",
        mode="online",
        view_version=1,
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def test_decisions_that_were_sent_are_read_back(
    kafka_settings: KafkaSettings, kafka_topic: CreateTopic
) -> None:
    topic, before = await kafka_topic(3), time.time()
    async with AsyncExitStack() as stack:
        publisher = KafkaPublisher(kafka_settings, topic)
        await publisher.start(stack)
        await KafkaDecisions(publisher).append([decision(number) for number in range(50)])
    found = await records_since(kafka_settings, topic, before - 60)
    decoded = [decode_decision(record.value or b"") for record in found]
    assert sorted(decoded, key=lambda d: d.nonce) == [decision(number) for number in range(50)]


async def test_only_records_of_the_time_and_later_are_read(
    kafka_settings: KafkaSettings, kafka_topic: CreateTopic
) -> None:
    topic = await kafka_topic(1)
    async with AsyncExitStack() as stack:
        publisher = KafkaPublisher(kafka_settings, topic)
        await publisher.start(stack)
        for number in range(5):
            await publisher.publish("key", str(number).encode())
    everything = await records_since(kafka_settings, topic, 0.0)
    stamps = [(record.timestamp, record.value) for record in everything]
    assert [value for _, value in stamps] == [b"0", b"1", b"2", b"3", b"4"]
    middle = stamps[2][0]
    found = await records_since(kafka_settings, topic, middle / 1_000)
    assert [r.value for r in found] == [value for stamp, value in stamps if stamp >= middle]
    assert await records_since(kafka_settings, topic, time.time() + 3_600) == []


async def test_every_partition_of_a_topic_is_read(
    kafka_settings: KafkaSettings, kafka_topic: CreateTopic
) -> None:
    """Whoever asks has read nothing of the topic before, so nobody has told it how many."""
    topic = await kafka_topic(8)
    async with AsyncExitStack() as stack:
        publisher = KafkaPublisher(kafka_settings, topic)
        await publisher.start(stack)
        for number in range(100):
            await publisher.publish(str(number), str(number).encode())
    found = await records_since(kafka_settings, topic, 0.0)
    assert sorted(int(record.value or b"-1") for record in found) == list(range(100))
    assert {record.partition for record in found} == set(range(8))  # type: ignore[attr-defined]


async def test_an_empty_topic_has_no_records(
    kafka_settings: KafkaSettings, kafka_topic: CreateTopic
) -> None:
    assert await records_since(kafka_settings, await kafka_topic(2), 0.0) == []


async def test_a_topic_or_broker_that_is_not_there_is_said(kafka_settings: KafkaSettings) -> None:
    with pytest.raises(SourceError, match="no topic 'nowhere'"):
        await records_since(kafka_settings, "nowhere", 0.0)
    away = kafka_settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1"):
        await records_since(away, "nowhere", 0.0)


class Silent(Publisher):
    """A broker that never answers."""

    async def start(self, stack: AsyncExitStack) -> None:
        pass

    async def publish(self, key: str, value: bytes) -> int:
        import asyncio

        await asyncio.Event().wait()
        return 0


async def test_a_broker_that_is_silent_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka_decisions, "WRITE_SECONDS", 0.05)
    with pytest.raises(SourceError, match="takes no decisions"):
        await KafkaDecisions(Silent()).append([decision(1)])
