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
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.helpers import create_ssl_context

from olearn_core.config import KafkaSettings
from olearn_core.errors import SourceError
from olearn_core.sources.source import Listener, OutOfRangeError, Partition, Record, Source

logger = logging.getLogger(__name__)

FETCH_BYTES = 16 << 20
MIRROR_TIMEOUT_SECONDS = 2.0
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
    """The topic of outcomes, read as a member of a consumer group."""

    name = "kafka"

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    @property
    def group(self) -> str:
        """The consumer group."""
        return self._settings.group

    @property
    def _client(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise SourceError("the Kafka source is not started")
        return self._consumer

    async def start(self, stack: AsyncExitStack, listener: Listener) -> None:
        """Join the group."""
        servers = self._settings.bootstrap_servers
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=servers,
            group_id=self._settings.group,
            client_id="olearn",
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=self._settings.session_timeout_ms,
            heartbeat_interval_ms=min(3_000, self._settings.session_timeout_ms // 3),
            rebalance_timeout_ms=60_000,
            request_timeout_ms=15_000,
            metadata_max_age_ms=30_000,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
            isolation_level="read_committed",
            partition_assignment_strategy=(StickyPartitionAssignor,),
            **security(self._settings),
        )
        self._consumer.subscribe(
            [self._settings.outcome_topic], listener=_Rebalance(self._consumer, listener)
        )
        stack.push_async_callback(self._consumer.stop)
        try:
            await self._consumer.start()
        except (KafkaError, OSError, ValueError) as error:
            raise SourceError(f"cannot reach Kafka at {servers}: {error}") from error

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Return what the broker has sent meanwhile."""
        try:
            records = await self._client.getmany(
                timeout_ms=round(timeout_seconds * 1_000), max_records=most
            )
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

    def resume(self, partition: Partition, offset: int) -> None:
        """Seek, then resume."""
        self._client.seek(_theirs(partition), offset)
        self._client.resume(_theirs(partition))

    def pause(self, partition: Partition) -> None:
        """Stop fetching."""
        self._client.pause(_theirs(partition))

    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        """Commit to the group, for lag tools only: the database is the truth."""
        try:
            async with asyncio.timeout(MIRROR_TIMEOUT_SECONDS):
                await self._client.commit({_theirs(p): offset for p, offset in offsets.items()})
        except (KafkaError, TimeoutError) as error:
            logger.info("offsets are not mirrored to Kafka: %r", error)

    def end_offset(self, partition: Partition) -> int | None:
        """Return the high watermark of the last fetch."""
        theirs = _theirs(partition)
        if theirs not in self._client.assignment():
            return None
        end = self._client.highwater(theirs)
        return None if end is None else int(end)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Pauses before anything else: aiokafka hands out records before this returns."""

    def __init__(self, consumer: AIOKafkaConsumer, listener: Listener) -> None:
        self._consumer = consumer
        self._listener = listener

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause, park at 0 (else a partition without a committed offset is an error), tell."""
        self._consumer.pause(*assigned)
        for partition in assigned:
            self._consumer.seek(partition, 0)
        self._listener.assigned([_ours(partition) for partition in assigned])

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the owner save."""
        await self._listener.revoked([_ours(partition) for partition in revoked])


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
