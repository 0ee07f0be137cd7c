"""`olearn partitions` on the database of a service, at work or not."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack

import pytest
from typer.testing import CliRunner

from olearn_core.cli.app import app
from olearn_core.client import OlearnClient
from olearn_core.config import KafkaSettings
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardHeader, ShardStore
from tests.servers.fixtures import create_topic
from tests.support.events import outcome
from tests.support.services import eventually, open_database

EMBEDDED = "outcomes/0"
RECORDS = 10


def on(database_url, work):
    """Return what `work` does with an open database."""

    async def do():
        async with AsyncExitStack() as stack:
            return await work(await open_database(database_url, stack))

    return asyncio.run(do())


@pytest.fixture
def url(call, sqlite_url, monkeypatch):
    """The address of a new database, which commands find in the environment."""
    monkeypatch.setenv("OLEARN_DATABASE__URL", sqlite_url)
    assert call("db", "upgrade").exit_code == 0
    return sqlite_url


def claimed(url, source, topic, group, offset, cluster=None) -> ShardHeader:
    """Have a partition learned up to an offset."""

    async def claim(database: Database) -> ShardHeader:
        store = ShardStore(database)
        header = await store.claim(source, topic, 0, "host:1:abc", group, cluster)
        await store.begin(header, offset)
        return header

    return on(url, claim)


class TestOfTheEmbeddedLog:
    @pytest.fixture(autouse=True)
    def _learned(self, url):
        claimed(url, "embedded", "outcomes", "embedded", 4)

    def test_list_shows_how_far_each_is(self, call, call_json):
        (row,) = call_json("partitions", "list")
        assert (row["topic"], row["partition"], row["source"]) == ("outcomes", 0, "embedded")
        assert (row["group"], row["owner"], row["cluster"]) == ("embedded", "host:1:abc", None)
        assert (row["epoch"], row["next_offset"], row["version"]) == (1, 4, 0)
        assert row["updated_at"].endswith("Z")
        text = call("partitions", "list").stdout
        assert EMBEDDED in text
        assert "host:1:abc" in text

    def test_reset_of_an_empty_log_goes_to_its_beginning(self, call, call_json):
        result = call("partitions", "reset", EMBEDDED, "--to", "earliest", "--yes")
        assert result.stdout == "outcomes/0 goes on at offset 1; it stood at offset 4\n"
        (row,) = call_json("partitions", "list")
        assert (row["epoch"], row["next_offset"], row["version"]) == (2, 1, 1)

    def test_reset_to_where_the_configuration_says_is_settled_by_the_next_owner(
        self, call, call_json
    ):
        assert call("partitions", "reset", EMBEDDED, "--to", "start", "--yes").exit_code == 0
        assert call_json("partitions", "list")[0]["next_offset"] is None

    @pytest.mark.parametrize(("answer", "epoch"), [("y\n", 2), ("n\n", 1), ("", 1)])
    def test_reset_asks_first(self, call_json, answer, epoch):
        command = ["partitions", "reset", EMBEDDED, "--to", "latest"]
        result = CliRunner().invoke(app, command, input=answer)
        assert "stands at offset 4. Go on at offset 1?" in result.output
        assert result.exit_code == (0 if epoch == 2 else 1)
        assert call_json("partitions", "list")[0]["epoch"] == epoch

    def test_reset_to_what_the_log_does_not_have_is_refused(self, call, call_json):
        result = call("partitions", "reset", EMBEDDED, "--to", "4711", "--yes")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "begins at offset 1 and ends before 1, not at 4711" in result.stderr
        assert call_json("partitions", "list")[0]["epoch"] == 1

    @pytest.mark.parametrize("partition", ["outcomes/1", "another/0", "a/b/0"])
    def test_reset_of_a_partition_that_nobody_knows_names_those_there_are(self, call, partition):
        result = call("partitions", "reset", partition, "--to", "earliest", "--yes")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert EMBEDDED in result.stderr

    @pytest.mark.parametrize("where", ["outcomes", "outcomes/", "/0", "outcomes/x", "outcomes/-1"])
    def test_a_partition_has_a_topic_and_a_number(self, call, where):
        assert call("partitions", "reset", where, "--to", "0", "--yes").exit_code == 2

    @pytest.mark.parametrize("to", ["-1", "middle", "", "9" * 19])
    def test_an_offset_is_a_number_or_a_word(self, call, to):
        assert call("partitions", "reset", EMBEDDED, f"--to={to}", "--yes").exit_code == 2

    def test_it_has_no_groups_to_adopt(self, call):
        result = call("partitions", "adopt", "--group", "another")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "Kafka" in result.stderr


@pytest.mark.parametrize(
    "command", [["list"], ["reset", EMBEDDED, "--to", "latest", "--yes"], ["adopt", "--group", "g"]]
)
def test_a_database_that_is_not_there_is_not_made(call, tmp_path, monkeypatch, command):
    monkeypatch.setenv("OLEARN_DATABASE__URL", f"sqlite+aiosqlite:///{tmp_path}/nothing.db")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = call("partitions", *command)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "olearn db upgrade" in result.stderr
    assert not (tmp_path / "nothing.db").exists()


def test_a_reset_takes_effect_on_a_service_at_work(service, call, call_json, monkeypatch, learned):
    """Everything is read again and nothing counts twice."""
    url = f"sqlite+aiosqlite:///{service.folder}/olearn.db"
    monkeypatch.setenv("OLEARN_DATABASE__URL", url)

    async def report(first: int, last: int) -> None:
        async with OlearnClient(service.url) as client:
            for number in range(first, last):
                event = {"agent_name": "ada", "status": "success", "event_id": str(number)}
                await client.report(event)

    def saved_up_to(offset: int) -> None:
        async def saved(database: Database) -> None:
            async def there() -> bool:
                headers = await ShardStore(database).headers()
                (header,) = [header for header in headers if not header.counts_decisions]
                return header.next_offset == offset

            await eventually(there, f"saved up to offset {offset}")

        on(url, saved)

    asyncio.run(report(0, RECORDS))
    saved_up_to(
        RECORDS + 1
    )  # what a reset overtakes unsaved is read again, as if for the first time
    assert call("partitions", "reset", EMBEDDED, "--to", "earliest", "--yes").exit_code == 0
    asyncio.run(report(RECORDS, RECORDS + 1))
    learned(service.url, RECORDS + RECORDS + 1)
    (ada,) = call_json("agents", "list", "--url", service.url)
    assert ada["total_executions"] == RECORDS + 1
    saved_up_to(RECORDS + 2)


def test_the_log_of_decisions_is_listed_and_moved_likewise(service, call, call_json, monkeypatch):
    monkeypatch.setenv("OLEARN_DATABASE__URL", f"sqlite+aiosqlite:///{service.folder}/olearn.db")
    rows = call_json("partitions", "list")
    assert [(row["topic"], row["source"]) for row in rows] == [
        ("outcomes", "embedded"),
        ("decisions", "embedded-decisions"),
    ]
    result = call("partitions", "reset", "decisions/0", "--to", "latest", "--yes")
    assert result.stdout == "decisions/0 goes on at offset 1; it stood at offset 1\n"


@pytest.mark.kafka
class TestOfKafka:
    @pytest.fixture
    def topic(self, kafka_broker, url, monkeypatch):
        """A topic with some records, of which four are learned."""
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_broker.bootstrap)

        async def fill() -> str:
            name = await create_topic(kafka_broker.bootstrap, 1)
            settings = KafkaSettings(bootstrap_servers=kafka_broker.bootstrap, outcome_topic=name)
            async with AsyncExitStack() as stack:
                publisher = KafkaPublisher(settings)
                await publisher.start(stack)
                for number in range(RECORDS):
                    await publisher.publish("key", outcome(event_id=str(number)))
            return name

        name = asyncio.run(fill())
        claimed(url, "kafka", name, "olearn", 4, "cluster-a")
        return name

    @pytest.mark.parametrize(("to", "offset"), [("earliest", 0), ("latest", RECORDS), ("7", 7)])
    def test_reset(self, call, call_json, topic, to, offset):
        result = call("partitions", "reset", f"{topic}/0", "--to", to, "--yes")
        assert result.exit_code == 0, result.output
        (row,) = call_json("partitions", "list")
        assert (row["next_offset"], row["cluster"], row["epoch"]) == (offset, None, 2)

    def test_what_lies_beyond_the_end_is_refused(self, call, topic):
        result = call("partitions", "reset", f"{topic}/0", "--to", RECORDS + 1, "--yes")
        assert result.exit_code == 1
        assert f"ends before {RECORDS}" in result.stderr

    def test_a_topic_that_is_gone_is_named_and_not_made(self, call, kafka_broker, url, monkeypatch):
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_broker.bootstrap)
        gone = f"gone-{uuid.uuid4().hex}"
        claimed(url, "kafka", gone, "olearn", 4)
        for _ in range(2):
            result = call("partitions", "reset", f"{gone}/0", "--to", "latest", "--yes")
            assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
            assert f"no topic {gone!r}" in result.stderr

    def test_a_broker_that_is_away_is_named(self, call, call_json, url, monkeypatch):
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
        claimed(url, "kafka", "t", "olearn", 4)
        result = call("partitions", "reset", "t/0", "--to", "latest", "--yes")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "127.0.0.1:1" in result.stderr
        assert call_json("partitions", "list")[0]["epoch"] == 1

    def test_adopt_gives_all_partitions_to_another_group(self, call, call_json, topic, monkeypatch):
        said = call("partitions", "adopt", "--group", "another").stdout
        assert f"{topic}/0" in said
        assert "[kafka] group is 'olearn' yet" in said
        assert call_json("partitions", "list")[0]["group"] == "another"
        monkeypatch.setenv("OLEARN_KAFKA__GROUP", "another")
        said = call("partitions", "adopt", "--group", "another").stdout
        assert said == "nothing new: group 'another' learns from now on\n"
