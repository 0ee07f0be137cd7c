"""Outcomes from Kafka: one consumer group, offsets from the database."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.helpers import create_ssl_context

from olearn_core.config import KafkaSettings
from olearn_core.errors import SourceError
from olearn_core.sources.assignor import TopicByTopicAssignor
from olearn_core.sources.source import Listener, OutOfRangeError, Partition, Record, Source
from olearn_core.times import loop_seconds

logger = logging.getLogger(__name__)

FETCH_BYTES = 16 << 20
FORMING_SECONDS = 1.0  # a fetch waits that much longer, at most, where the group forms anew
HEARTBEAT_MS = 300  # a rebalance is learned of with a heartbeat: hand-over waits for it
PROBE_SECONDS = 2.0
REBALANCE_TIMEOUT_MS = 12_000  # longer than it takes to save and let go
REQUEST_TIMEOUT_MS = 15_000  # longer than that, for so long a join may go unanswered
RETRY_BACKOFF_MS = 400  # a broker that is away is asked a few times a second, not in a spin
STOP_SECONDS = 3.0
PARTITION_FETCH_BYTES = 1 << 20


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Return the client arguments for TLS and SASL."""
    arguments: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if "SSL" in settings.security_protocol:
        arguments["ssl_context"] = _ssl_context(settings)
    if "SASL" in settings.security_protocol:
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    return arguments


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    context: ssl.SSLContext = create_ssl_context(
        cafile=settings.ssl_ca_file or None,
        certfile=settings.ssl_cert_file or None,
        keyfile=settings.ssl_key_file or None,
        password=settings.ssl_key_password.get_secret_value() or None,
    )
    return context


class KafkaSource(Source):
    """The topic of outcomes, and of decisions where there is one, read in a consumer group."""

    name = "kafka"

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self.decisions_topic = settings.decisions_topic or None
        self._consumer: AIOKafkaConsumer | None = None
        self._listener: Listener | None = None
        self._rebalance: _Rebalance | None = None
        self._cluster_id: str | None = None

    @property
    def group(self) -> str:
        """The consumer group."""
        return self._settings.group

    @property
    def _client(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise SourceError("the Kafka source is not started")
        return self._consumer

    @property
    def cluster_id(self) -> str | None:
        """The id that the brokers gave their cluster."""
        return self._cluster_id

    async def start(self, stack: AsyncExitStack, listener: Listener) -> None:
        """Join the group."""
        self._listener = listener
        stack.push_async_callback(self.stop)
        await self._join(listener)

    async def _join(self, listener: Listener) -> None:
        servers = self._settings.bootstrap_servers
        try:
            self._cluster_id = await _cluster_id(self._settings)
            self._consumer = self._made()
            await self._consumer.start()
            self._subscribe(self._consumer, listener)
        except (KafkaError, OSError, ValueError) as error:
            raise SourceError(f"cannot reach Kafka at {servers}: {error}") from error

    def _made(self) -> AIOKafkaConsumer:
        settings = self._settings
        return AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap_servers,
            group_id=settings.group,
            client_id="olearn",
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=RETRY_BACKOFF_MS,
            metadata_max_age_ms=30_000,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
            isolation_level="read_committed",
            partition_assignment_strategy=(TopicByTopicAssignor,),
            **security(settings),
        )

    def _subscribe(self, consumer: AIOKafkaConsumer, listener: Listener) -> None:
        """Ask for partitions, last of all: aiokafka would begin by waiting for them."""
        topics = [self._settings.outcome_topic]
        if self.decisions_topic is not None:
            topics.append(self.decisions_topic)
        self._rebalance = _Rebalance(consumer, listener)
        consumer.subscribe(topics, listener=self._rebalance)

    async def stop(self) -> None:
        """Leave the group; a broker that is away is not waited for."""
        if self._consumer is None:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await _stop(self._consumer)
        except (KafkaError, TimeoutError) as error:
            logger.warning("left Kafka without a word: %r", error)
            await _hang_up(self._consumer)

    async def restart(self) -> None:
        """Leave and join again with a new consumer."""
        if self._listener is None:
            raise SourceError("the Kafka source is not started")
        await self.stop()
        await self._join(self._listener)

    async def probe(self) -> None:
        """Ask for an offset: aiokafka itself notices a broker that is gone by silence only."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await _asked(self._client.end_offsets, Partition(self._settings.outcome_topic, 0))
        except TimeoutError as error:
            raise SourceError("Kafka does not answer") from error

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Return what the broker has sent meanwhile; nothing while the group forms anew."""
        try:
            async with asyncio.timeout(timeout_seconds + FORMING_SECONDS):
                records = await self._client.getmany(
                    timeout_ms=round(timeout_seconds * 1_000), max_records=most
                )
        except TimeoutError:
            return {}  # aiokafka waits for the group, however long that takes
        except OffsetOutOfRangeError as error:
            raise OutOfRangeError({_ours(tp): at for tp, at in error.args[0].items()}) from error
        except Exception as error:  # codecs and aiokafka's own checks raise what they like
            raise SourceError(f"reading from Kafka failed: {error!r}") from error
        return {_ours(tp): batch for tp, batch in records.items()}

    async def first_offset(self, partition: Partition) -> int:
        """Return the earliest or the latest offset, as configured."""
        if self._settings.start == "earliest":
            return await self.earliest_offset(partition)
        return await _asked(self._client.end_offsets, partition)

    async def earliest_offset(self, partition: Partition) -> int:
        """Return the log's first offset."""
        return await _asked(self._client.beginning_offsets, partition)

    def forming_seconds(self) -> float:
        """Return for how long the group has been sharing out its partitions anew."""
        return 0.0 if self._rebalance is None else self._rebalance.seconds()

    def resume(self, partition: Partition, offset: int) -> None:
        """Seek, then resume; a partition that has gone away meanwhile is somebody else's."""
        if (theirs := _theirs(partition)) in self._client.assignment():
            self._client.seek(theirs, offset)
            self._client.resume(theirs)

    def pause(self, partition: Partition) -> None:
        """Stop fetching; of a partition that has gone away meanwhile nothing comes anyway."""
        if (theirs := _theirs(partition)) in self._client.assignment():
            self._client.pause(theirs)

    async def position(self, partition: Partition) -> int | None:
        """Return the consumer's position, which moves behind markers as well."""
        if (theirs := _theirs(partition)) not in self._client.assignment():
            return None
        return int(await self._client.position(theirs))

    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        """Commit to the group, for lag tools only: the database is the truth."""
        try:
            await self._client.commit({_theirs(p): offset for p, offset in offsets.items()})
        except KafkaError as error:
            logger.info("offsets are not mirrored to Kafka: %r", error)

    def end_offset(self, partition: Partition) -> int | None:
        """Return the high watermark of the last fetch."""
        theirs = _theirs(partition)
        if theirs not in self._client.assignment():
            return None
        end = self._client.highwater(theirs)
        return None if end is None else int(end)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """
    Pauses before anything else: aiokafka hands out records before this returns.

    A consumer is joining from its beginning on, and between each two calls.
    """

    def __init__(self, consumer: AIOKafkaConsumer, listener: Listener) -> None:
        self._consumer = consumer
        self._listener = listener
        self._since: float | None = loop_seconds()

    def seconds(self) -> float:
        """Return for how long it has been going on, 0.0 where it is over."""
        return 0.0 if self._since is None else loop_seconds() - self._since

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause, park at 0 (else a partition without a committed offset is an error), tell."""
        self._since = None
        self._consumer.pause(*assigned)
        for partition in assigned:
            self._consumer.seek(partition, 0)
        self._listener.assigned([_ours(partition) for partition in assigned])

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the owner save."""
        self._since = loop_seconds()
        await self._listener.revoked([_ours(partition) for partition in revoked])


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Stop; a fetch that was waiting to try again ends aiokafka's own stopping half-way."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        await _hang_up(consumer)


async def _hang_up(consumer: AIOKafkaConsumer) -> None:
    """Close the connections of a consumer whose own stopping ended half-way."""
    await consumer._client.close()  # noqa: SLF001 - there is no other way


async def _cluster_id(settings: KafkaSettings) -> str | None:
    """Ask for what the consumer does not tell."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap_servers,
        client_id="olearn",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **security(settings),
    )
    try:
        await admin.start()
        cluster_id = (await admin.describe_cluster()).get("cluster_id")
    finally:
        await admin.close()
    return cluster_id or None


async def _asked(
    query: Callable[[list[TopicPartition]], Awaitable[dict[TopicPartition, int]]],
    partition: Partition,
) -> int:
    try:
        offsets = await query([_theirs(partition)])
    except KafkaError as error:
        raise SourceError(f"Kafka does not tell its offsets: {error}") from error
    return int(offsets[_theirs(partition)])


def _ours(partition: TopicPartition) -> Partition:
    return Partition(partition.topic, partition.partition)


def _theirs(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)
