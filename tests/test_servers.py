"""The servers that other tests rely on do what is asked of them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.servers import HOST, ServerError, apache_kafka
from tests.servers.fixtures import Broker, CreateTopic, create_topic
from tests.servers.postgres import Postgres
from tests.servers.tansu import Tansu

VALUES = {f"value-{number}".encode() for number in range(40)}


async def _produce(bootstrap: str, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for value in VALUES:
            await producer.send_and_wait(topic, value, key=value)


def _consumer(bootstrap: str, topic: str, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=200,
    )


async def _read(consumer: AIOKafkaConsumer, seen: set[bytes]) -> None:
    for records in (await consumer.getmany(timeout_ms=100)).values():
        seen.update(record.value for record in records)


@pytest.mark.kafka
async def test_two_members_of_a_group_share_a_topic(
    kafka_broker: Broker, kafka_topic: CreateTopic
) -> None:
    """Each member gets half of the partitions, and together they read every record."""
    topic, group = await kafka_topic(4), uuid.uuid4().hex
    await _produce(kafka_broker.bootstrap, topic)
    seen: set[bytes] = set()
    async with AsyncExitStack() as stack, asyncio.timeout(25):
        members = [_consumer(kafka_broker.bootstrap, topic, group) for _ in range(2)]
        await asyncio.gather(*(stack.enter_async_context(member) for member in members))
        while seen != VALUES or {len(member.assignment()) for member in members} != {2}:
            await asyncio.gather(*(_read(member, seen) for member in members))


@pytest.mark.kafka
async def test_each_topic_is_new(kafka_topic: CreateTopic) -> None:
    """No two tests read each other's records."""
    assert await kafka_topic(1) != await kafka_topic(1)


@pytest.mark.apache
async def test_apache_kafka_keeps_its_data_when_it_ends(tmp_path: Path) -> None:
    """Records and committed offsets are there after a restart, and after a crash."""
    with apache_kafka.ApacheKafka(tmp_path) as kafka:
        topic = await create_topic(kafka.bootstrap, partitions=1)
        await _produce(kafka.bootstrap, topic)
        assert await _read_on(kafka.bootstrap, topic, commit=10) == 0
        kafka.restart()
        assert await _read_on(kafka.bootstrap, topic, commit=30) == 10
        kafka.kill()
        kafka.start()
        assert await _read_on(kafka.bootstrap, topic, commit=len(VALUES)) == 30


async def _read_on(bootstrap: str, topic: str, commit: int) -> int:
    """Read the topic's one partition to its end, commit an offset, return the first one read."""
    partition = TopicPartition(topic, 0)
    async with _consumer(bootstrap, topic, group=topic) as consumer, asyncio.timeout(25):
        first = await consumer.getone()
        while await consumer.position(partition) < len(VALUES):
            await consumer.getone()
        await consumer.commit({partition: commit})
        return int(first.offset)


def test_tansu_starts_again_after_a_kill(tmp_path: Path) -> None:
    """A stopped server can be started on its port, and is a new process."""
    with Tansu(tmp_path) as tansu:
        address, pid = tansu.bootstrap, tansu.pid
        tansu.kill()
        tansu.start()
        assert (tansu.bootstrap, tansu.pid != pid) == (address, True)


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """The error has what the server said, so that nobody needs to look for a log."""
    tansu = Tansu(tmp_path)
    with socket.socket() as taken:
        taken.bind((HOST, tansu.port))
        with pytest.raises(ServerError, match=r"(?s)tansu\.log:\n.*Address in use"):
            tansu.start()


def test_a_server_does_not_pass_for_another(tmp_path: Path) -> None:
    """A start on a port where another server answers is refused."""
    with Tansu(tmp_path) as first:
        second = Tansu(tmp_path)
        second.port = first.port
        with pytest.raises(ServerError, match="Another server answers"):
            second.start()


def test_missing_java_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the program and the packages that have it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServerError, match=r"java is missing.*apt-get install .*maven"):
        apache_kafka.ApacheKafka(tmp_path, cache=tmp_path).start()


@pytest.mark.postgres
async def test_postgres_keeps_what_it_was_told(postgres_url: str) -> None:
    """A fresh database takes a table and a row."""
    await _execute(postgres_url, "CREATE TABLE t (x int)", "INSERT INTO t VALUES (7)")
    assert await _execute(postgres_url, "SELECT x FROM t") == 7


@pytest.mark.postgres
@pytest.mark.parametrize("end", [Postgres.stop, Postgres.kill])
async def test_postgres_keeps_its_data_when_it_ends(
    tmp_path: Path, end: Callable[[Postgres], None]
) -> None:
    """Committed rows are there after a stop, and after a crash."""
    with Postgres(tmp_path) as server:
        url = server.create_database()
        await _execute(url, "CREATE TABLE t (x int)", "INSERT INTO t VALUES (7)")
        end(server)
        server.start()
        assert await _execute(url, "SELECT x FROM t") == 7


async def _execute(url: str, *statements: str) -> object:
    """Run statements in one transaction; return the first value of the last one with rows."""
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            results = [await connection.execute(text(sql)) for sql in statements]
            return results[-1].scalar() if results[-1].returns_rows else None
    finally:
        await engine.dispose()


NOT_RUN = """\
import pytest

def test_skips(): pytest.skip("too hard")

@pytest.mark.xfail
def test_fails(): assert False

@pytest.mark.xfail
def test_passes(): pass

def test_runs(): pass
"""


def test_a_skipped_test_fails_the_session(tmp_path: Path) -> None:
    """Skips and expected failures are failures, each with its name and reason."""
    (tmp_path / "test_some.py").write_text(NOT_RUN)
    (tmp_path / "test_module.py").write_text("import pytest; pytest.importorskip('no_such')")
    options = ["-p", "tests.servers.no_skips", "--continue-on-collection-errors", "--color=no"]
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", f"--rootdir={tmp_path}", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "3 failed, 1 passed, 1 error" in done.stdout
    assert "test_skips was skipped; all tests must run and pass." in done.stdout
