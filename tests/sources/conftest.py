"""One log of each kind, for tests of the contract that all share."""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest

from olearn_core.config import KafkaSettings
from olearn_core.sources.embedded import EmbeddedLog
from olearn_core.sources.kafka import KafkaSource
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.sources.publisher import Publisher
from olearn_core.sources.source import Partition, Record, Source
from olearn_core.storage.database import Database
from olearn_core.storage.leases import Leases
from olearn_core.storage.outcome_log import OutcomeLog
from tests.servers.fixtures import create_topic
from tests.support.services import PATIENCE_SECONDS, eventually, open_database


class Owner:
    """A listener that writes down what it is told, as a worker would learn it."""

    def __init__(self) -> None:
        self.owned: set[Partition] = set()
        self.told: list[tuple[str, list[Partition]]] = []

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self.owned.update(partitions)
        self.told.append(("assigned", sorted(partitions)))

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        self.owned.difference_update(partitions)
        self.told.append(("revoked", sorted(partitions)))


class Reading:
    """A source that has joined, and its owner."""

    def __init__(self, source: Source, stack: AsyncExitStack) -> None:
        self.source = source
        self.owner = Owner()
        self._stack = stack

    async def owns_all(self, partitions: int = 1) -> list[Partition]:
        await eventually(lambda: len(self.owner.owned) == partitions, "all partitions are ours")
        return sorted(self.owner.owned)

    async def read(self, count: int) -> dict[Partition, list[Record]]:
        """Fetch until there are so many records."""
        found: dict[Partition, list[Record]] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(map(len, found.values())) < count:
                fetched = await self.source.fetch(1_000, 0.1)
                for partition, records in fetched.items():
                    found.setdefault(partition, []).extend(records)
        return found

    async def leave(self) -> None:
        await self._stack.aclose()


class Log(ABC):
    """A log of outcomes that any number of sources may read and publishers write."""

    partition: Partition

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    @abstractmethod
    def source(self) -> Source:
        """Return a source that is not started."""

    @abstractmethod
    async def publisher(self) -> Publisher:
        """Return a publisher that is started."""

    async def joined(self) -> Reading:
        """Start a source of its own; it leaves at the end of the test at the latest."""
        stack = await self._stack.enter_async_context(AsyncExitStack())
        reading = Reading(self.source(), stack)
        await reading.source.start(stack, reading.owner)
        return reading

    async def written(self, *values: bytes) -> list[int]:
        """Append values one after the other; return their offsets."""
        publisher = await self.publisher()
        return [await publisher.publish("key", value) for value in values]


class Embedded(Log):
    partition = Partition("outcomes", 0)

    def __init__(self, stack: AsyncExitStack, database: Database) -> None:
        super().__init__(stack)
        self.database = database
        self._publisher: EmbeddedLog | None = None

    def source(self) -> EmbeddedLog:
        return EmbeddedLog(OutcomeLog(self.database), Leases(self.database, uuid.uuid4().hex))

    async def publisher(self) -> Publisher:
        if self._publisher is None:
            self._publisher = self.source()
            await self._publisher.start(self._stack)
        return self._publisher


class Kafka(Log):
    def __init__(self, stack: AsyncExitStack, settings: KafkaSettings) -> None:
        super().__init__(stack)
        self.settings = settings
        self.partition = Partition(settings.outcome_topic, 0)
        self._publisher: KafkaPublisher | None = None

    def source(self) -> Source:
        return KafkaSource(self.settings)

    async def publisher(self) -> Publisher:
        if self._publisher is None:
            self._publisher = KafkaPublisher(self.settings)
            await self._publisher.start(self._stack)
        return self._publisher


@pytest.fixture
def kafka_settings(kafka_broker) -> KafkaSettings:
    """Settings of a group and topic that no other test knows; the topic is not there yet."""
    name = uuid.uuid4().hex
    return KafkaSettings(
        bootstrap_servers=kafka_broker.bootstrap,
        outcome_topic=name,
        group=f"group-{name}",
        session_timeout_ms=6_000,
    )


@pytest.fixture
def quick_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of the embedded log that are over soon."""
    monkeypatch.setattr("olearn_core.sources.embedded.LEASE_SECONDS", 1.5)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("kafka", marks=pytest.mark.kafka),
    ]
)
async def log(request: pytest.FixtureRequest, quick_lease: None) -> AsyncIterator[Log]:
    """A log of each kind, with one partition."""
    settings = None
    if request.param == "kafka":
        settings = request.getfixturevalue("kafka_settings")
    url = None if settings else request.getfixturevalue(f"{request.param}_url")
    async with AsyncExitStack() as stack:
        if settings is not None:
            topic = await create_topic(settings.bootstrap_servers, 1)
            yield Kafka(stack, settings.model_copy(update={"outcome_topic": topic}))
        else:
            yield Embedded(stack, await open_database(url, stack))
