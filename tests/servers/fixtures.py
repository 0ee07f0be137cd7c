"""
Fixtures that give a test a broker, a topic, a database.

``OLEARN_TEST_KAFKA`` is ``tansu`` (the default), ``apache``, or the host:port of a broker that runs
already; ``OLEARN_TEST_POSTGRES`` is the postgresql:// address of a server that runs already.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from tests.servers import Server
from tests.servers.apache_kafka import ApacheKafka
from tests.servers.postgres import Databases, Postgres
from tests.servers.tansu import Tansu

BROKERS: dict[str, type[Server]] = {"tansu": Tansu, "apache": ApacheKafka}
TOPIC_SECONDS = 10.0


class Broker(Protocol):
    """A Kafka broker, whoever runs it."""

    @property
    def bootstrap(self) -> str:
        """The address to connect to, ``host:port``."""


class CreateTopic(Protocol):
    """Create a topic of a new name, and return the name when clients can see it."""

    def __call__(self, partitions: int = 4) -> Awaitable[str]: ...


@dataclass(frozen=True)
class ExistingBroker:
    """A broker that somebody else runs."""

    bootstrap: str


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka broker; all tests share it, so each takes topics and groups of its own."""
    choice = os.environ.get("OLEARN_TEST_KAFKA", "tansu")
    if choice not in BROKERS:
        yield ExistingBroker(choice)
        return
    with BROKERS[choice](tmp_path_factory.mktemp(choice)) as broker:
        yield broker


@pytest.fixture
def kafka_topic(kafka_broker: Broker) -> CreateTopic:
    """A factory of topics that no other test knows."""

    async def create(partitions: int = 4) -> str:
        return await create_topic(kafka_broker.bootstrap, partitions)

    return create


async def create_topic(bootstrap: str, partitions: int) -> str:
    """
    Create a topic of a new name, and return the name when its partitions have leaders.

    :raises KafkaError: if the broker refuses.
    """
    name = f"test-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, partitions, replication_factor=1)])
        _raise_refusal(answer.topic_errors[0][1])
        async with asyncio.timeout(TOPIC_SECONDS):
            while not await _has_leaders(admin, name, partitions):
                pass
    finally:
        await admin.close()
    return name


def _raise_refusal(code: int) -> None:
    if code:
        raise for_code(code)


async def _has_leaders(admin: AIOKafkaAdminClient, topic: str, partitions: int) -> bool:
    (described,) = await admin.describe_topics([topic])
    leaders = [partition["leader"] for partition in described["partitions"]]
    return described["error_code"] == 0 and len(leaders) == partitions and min(leaders) >= 0


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """A PostgreSQL server; all tests share it, so a test that stops one starts one of its own."""
    url = os.environ.get("OLEARN_TEST_POSTGRES")
    if url:
        yield Databases(url)
        return
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Databases) -> Iterator[str]:
    """The SQLAlchemy address of an empty database, dropped after the test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)
