"""What is Kafka's own: offsets that are gone, where new partitions begin, groups, errors."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from olearn_core.config import KafkaSettings
from olearn_core.errors import EventError, SourceError
from olearn_core.sources.kafka import KafkaSource, security
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.sources.source import OutOfRangeError, Partition
from olearn_core.storage.database import Database
from tests.servers.fixtures import create_topic
from tests.sources.conftest import Kafka
from tests.support.events import outcome
from tests.support.services import eventually
from tests.support.workers import Rig

pytestmark = pytest.mark.kafka


@pytest.fixture
async def kafka(kafka_settings: KafkaSettings):
    topic = await create_topic(kafka_settings.bootstrap_servers, 2)
    async with AsyncExitStack() as stack:
        yield Kafka(stack, kafka_settings.model_copy(update={"outcome_topic": topic}))


async def test_offsets_that_the_log_does_not_have_stop_that_partition_only(
    kafka: Kafka, database: Database
) -> None:
    publisher = await kafka.publisher()
    for i in range(40):
        await publisher.publish(str(i), outcome(event_id=str(i)))
    rig = Rig(database, kafka.source())
    topic = kafka.settings.outcome_topic
    lost = await rig.store.claim("kafka", topic, 0, "earlier", kafka.settings.group)
    await rig.store.begin(lost, 1_000_000)
    async with AsyncExitStack() as stack:
        await rig.start(stack)
        other = Partition(topic, 1)
        await eventually(lambda: rig.worker.problems, "it says so")
        assert "1000000" in rig.worker.problems[f"{topic}/0"]
        await eventually(lambda: other in rig.worker.shards)
        before = rig.worker.shards[other].next_offset
        for i in range(40, 60):
            await publisher.publish(str(i), outcome(event_id=str(i)))
        await eventually(lambda: rig.worker.shards[other].next_offset > before, "the other goes on")
        assert Partition(topic, 0) not in rig.worker.shards
        await rig.stop()
    (header,) = [h for h in await rig.store.headers() if h.partition == 0]
    assert header.next_offset == 1_000_000, "an operator has to decide"


async def test_a_partition_that_nobody_has_read_begins_where_configured(kafka: Kafka) -> None:
    publisher = await kafka.publisher()
    for i in range(10):
        await publisher.publish("same key", str(i).encode())
    latest = KafkaSource(kafka.settings.model_copy(update={"start": "latest"}))
    reading = await kafka.joined()
    await reading.owns_all(2)
    latest._consumer = reading.source._consumer
    partitions = [Partition(kafka.settings.outcome_topic, number) for number in range(2)]
    firsts = [await reading.source.first_offset(p) for p in partitions]
    lasts = [await latest.first_offset(p) for p in partitions]
    assert firsts == [0, 0]
    assert sorted(lasts) == [0, 10], "equal keys share a partition"


async def test_offsets_are_mirrored_for_lag_tools(kafka: Kafka) -> None:
    await kafka.written(b"one", b"two")
    reading = await kafka.joined()
    partitions = await reading.owns_all(2)
    await reading.source.mirror(dict.fromkeys(partitions, 1))
    consumer: AIOKafkaConsumer = reading.source._consumer
    committed = [await consumer.committed(TopicPartition(*p)) for p in partitions]
    assert committed == [1, 1]
    elsewhere = Partition("nowhere", 0)
    await reading.source.mirror({elsewhere: 1})  # is no harm


async def test_a_fetch_comes_back_while_the_group_waits_for_somebody(kafka: Kafka) -> None:
    """Who learns has to notice meanwhile that it shall stop."""
    slow, may_let_go = await kafka.joined(), asyncio.Event()
    await slow.owns_all(2)
    slow.owner.revoked = lambda _: may_let_go.wait()
    other = await kafka.joined()
    await eventually(lambda: slow.source.forming_seconds() > 0, "the group forms anew")
    for source in (slow.source, other.source):
        async with asyncio.timeout(10):
            assert await source.fetch(10, 0.1) == {}
        assert source.forming_seconds() > 0
    may_let_go.set()
    await eventually(lambda: other.owner.owned, "it is over")
    assert other.source.forming_seconds() == 0


async def test_it_stops_where_a_fetch_waits_to_be_tried_again(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of such a fetch comes out of aiokafka as if we had been cancelled."""
    source = (await kafka.joined()).source
    consumer: AIOKafkaConsumer = source._consumer
    stop = consumer.stop

    async def half_way() -> None:
        await stop()
        raise asyncio.CancelledError

    monkeypatch.setattr(consumer, "stop", half_way)
    await source.stop()


async def test_who_cancels_stopping_is_obeyed(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (await kafka.joined()).source
    began = asyncio.Event()

    async def for_ever() -> None:
        began.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(source._consumer, "stop", for_ever)
        stopping = asyncio.create_task(source.stop())
        await began.wait()
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
    await source.stop()


async def test_what_is_not_started_says_so(kafka_settings: KafkaSettings) -> None:
    with pytest.raises(SourceError, match="not started"):
        await KafkaSource(kafka_settings).fetch(1, 0.1)
    with pytest.raises(SourceError, match="not started"):
        await KafkaPublisher(kafka_settings).publish("k", b"v")


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "nonsense:port"])
async def test_a_broker_that_cannot_be_reached_is_named(servers: str) -> None:
    settings = KafkaSettings(bootstrap_servers=servers)
    for client in (KafkaPublisher(settings), KafkaSource(settings)):
        async with AsyncExitStack() as stack:
            arguments = () if isinstance(client, KafkaPublisher) else (None,)
            with pytest.raises(SourceError, match=servers):
                await client.start(stack, *arguments)


async def test_a_record_that_is_too_large_is_not_taken(kafka: Kafka) -> None:
    publisher = await kafka.publisher()
    with pytest.raises(EventError, match="larger"):
        await publisher.publish("k", b"x" * (3 << 20))


def test_tls_and_sasl_are_configured() -> None:
    plain = security(KafkaSettings())
    assert plain == {"security_protocol": "PLAINTEXT"}
    arguments = security(
        KafkaSettings(
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="me",
            sasl_password="s3cret",
        )
    )
    assert isinstance(arguments["ssl_context"], ssl.SSLContext)
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert arguments["sasl_plain_password"] == "s3cret"


def test_an_error_of_range_names_partitions_and_offsets() -> None:
    error = OutOfRangeError({Partition("t", 3): 7})
    assert error.partitions == {Partition("t", 3): 7}
    assert "7" in str(error)
