"""The servers that other tests rely on do what is asked of them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.servers import HOST, ServerError, apache_kafka, free_ports
from tests.servers.fixtures import Broker, CreateTopic, create_topic
from tests.servers.postgres import Databases, Postgres
from tests.servers.proxy import Proxy, written_commit
from tests.servers.tansu import Tansu
from tests.support.services import eventually

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


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _shouting_server() -> AsyncIterator[int]:
    """A server that answers in capitals; gives its port."""
    serving: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with suppress(ConnectionError):
            while chunk := await reader.read(1 << 16):
                writer.write(chunk.upper())
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, serving))


@asynccontextmanager
async def _behind_a_proxy() -> AsyncIterator[Proxy]:
    async with _shouting_server() as port:
        with Proxy(port) as proxy:
            yield proxy


@asynccontextmanager
async def _client(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def _said(client: Client, what: bytes, seconds: float = 5.0) -> bytes:
    """Return the answer, empty where the connection ends instead."""
    reader, writer = client
    async with asyncio.timeout(seconds):
        try:
            writer.write(what)
            await writer.drain()
            return await reader.read(1 << 16)
        except ConnectionError:
            return b""


async def test_a_proxy_passes_what_both_sides_say() -> None:
    """Nobody can tell that it is there."""
    async with _behind_a_proxy() as proxy, _client(proxy) as client:
        assert await _said(client, b"a") == b"A"
        assert await _said(client, b"b") == b"B"


async def test_a_cut_ends_connections_and_refuses_new_ones_until_it_is_healed() -> None:
    """As an unplugged cable with a router that says so."""
    async with _behind_a_proxy() as proxy, _client(proxy) as client:
        await _said(client, b"a")
        proxy.cut()
        assert await _said(client, b"b") == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, proxy.port)
        proxy.heal()
        async with _client(proxy) as later:
            assert await _said(later, b"c") == b"C"


async def test_a_half_open_connection_swallows_everything_and_ends_when_it_is_healed() -> None:
    """Both sides believe in a connection that carries nothing; idle ones survive."""
    async with _behind_a_proxy() as proxy, _client(proxy) as client, _client(proxy) as idle:
        await _said(client, b"a")
        await _said(idle, b"a")
        proxy.half_open()
        with pytest.raises(TimeoutError):
            await _said(client, b"b", seconds=0.2)
        proxy.heal()
        assert await _said(client, b"c") == b""
        assert await _said(idle, b"d") == b"D"


async def test_a_delay_holds_both_directions_back() -> None:
    """An answer takes twice the delay."""
    async with _behind_a_proxy() as proxy, _client(proxy) as client:
        await _said(client, b"a")
        proxy.delay(0.1)
        started = asyncio.get_running_loop().time()
        assert await _said(client, b"b") == b"B"
        assert asyncio.get_running_loop().time() - started >= 0.2


async def test_a_connection_is_cut_in_the_middle_of_an_answer() -> None:
    """Bytes of both directions count; what comes after them is lost, once."""
    async with _behind_a_proxy() as proxy, _client(proxy) as client:
        await _said(client, b"a")
        proxy.cut_after(10 + 4)
        assert await _said(client, b"0123456789") == b"0123"
        assert await _said(client, b"b") == b""
        async with _client(proxy) as later:
            assert await _said(later, b"0123456789") == b"0123456789"


async def test_an_answer_is_lost_after_the_server_has_heard() -> None:
    """Only to such a request, once, and for the one who asked."""
    async with _behind_a_proxy() as proxy, _client(proxy) as client, _client(proxy) as other:
        proxy.lose_answer(lambda _, chunk: b"x" in chunk)
        assert await _said(client, b"a") == b"A"
        assert await _said(client, b"x") == b""
        assert await _said(other, b"x") == b"X"
        assert proxy.lost_answers == 1


@pytest.mark.postgres
async def test_the_answer_to_a_commit_is_lost_but_what_was_written_is_there(
    postgres_server: Databases,
) -> None:
    """The client sees an error, the others see the row: nobody can know from the error alone."""
    with Proxy(make_url(postgres_server.url).port or 5_432) as proxy:
        url = postgres_server.create_database()
        through = _through(proxy, url)
        try:
            await _execute(through, "CREATE TABLE t (x int)")
            proxy.lose_answer(to=written_commit)
            assert await _read_only(through, "SELECT count(*) FROM t") == 0
            with pytest.raises((DBAPIError, ConnectionError)):
                await _execute(through, "INSERT INTO t VALUES (7)")
            await eventually(lambda: proxy.lost_answers == 1)
            assert await _execute(url, "SELECT x FROM t") == 7
        finally:
            postgres_server.drop_database(url)


def _through(proxy: Proxy, url: str) -> str:
    moved = make_url(url).set(host=HOST, port=proxy.port)
    return moved.render_as_string(hide_password=False)


async def _read_only(url: str, query: str) -> object:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            async with connection.begin():
                return (await connection.execute(text(query))).scalar()
    finally:
        await engine.dispose()


@pytest.mark.kafka
async def test_a_broker_behind_a_proxy_is_reached_through_it_only(tmp_path: Path) -> None:
    """Clients use the address that the broker advertises: while it is cut, nothing arrives."""
    (port,) = free_ports(1)
    with Tansu(tmp_path, advertised=port) as tansu, Proxy(tansu.port, port) as proxy:
        topic = await create_topic(tansu.bootstrap, partitions=1)
        before = proxy.passed_bytes
        await _produce(tansu.bootstrap, topic)
        assert proxy.passed_bytes - before > sum(map(len, VALUES))
