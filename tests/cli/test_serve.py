from __future__ import annotations

import asyncio
import signal
import subprocess

import pytest

from olearn_core.client import OlearnClient
from tests.cli.serving import Serving, environment, olearn
from tests.support.services import eventually


async def report(url, first, last):
    async with OlearnClient(url) as client:
        for number in range(first, last):
            await client.report({"event_id": str(number), "agent_name": "a", "status": "success"})


async def learned(url, count):
    """Wait until the service knows of so many executions; what was accepted last comes last."""

    async def all_learned():
        async with OlearnClient(url) as client:
            return [row.total_executions for row in await client.agents()] == [count]

    await eventually(all_learned)


def test_it_says_what_it_is_and_stands_on(tmp_path):
    with Serving(tmp_path) as serving:
        said = "".join(serving.said)
        assert serving.stop() == 0
    assert serving.url.startswith("http://127.0.0.1:")
    assert f"{serving.url}/docs" in said
    assert "embedded log" in said
    assert "sqlite+aiosqlite:///olearn.db" in said
    assert "agent_selection" in said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order_and_a_restart_goes_on_where_it_was(tmp_path, how):
    with Serving(tmp_path) as serving:
        asyncio.run(report(serving.url, 0, 30))
        assert serving.stop(how) == 0
        assert "Traceback" not in serving.log
    assert (tmp_path / "models" / "metrics.json").exists()
    with Serving(tmp_path) as serving:
        asyncio.run(learned(serving.url, 30))
        asyncio.run(report(serving.url, 20, 40))
        asyncio.run(learned(serving.url, 40))
        assert serving.stop() == 0


def refused(folder, *arguments, **more):
    said = subprocess.run(
        olearn("serve", "--port", "0", *arguments),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout) == (1, "")
    assert "Traceback" not in said.stderr
    lines = said.stderr.strip().splitlines()
    assert len(lines) == 1, said.stderr
    return lines[0]


def test_a_model_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "models").write_text("a file")
    assert "MODEL_STORAGE_PATH" in refused(tmp_path)


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "olearn.db").write_text("this is not a database, but a letter " * 40)
    assert "olearn.db" in refused(tmp_path)


def test_a_schema_that_is_too_old_where_it_may_not_upgrade(tmp_path):
    (tmp_path / "olearn.db").touch()
    line = refused(tmp_path, OLEARN_DATABASE__UPGRADE_ON_START="false")
    assert "olearn db upgrade" in line


def test_a_broker_that_does_not_answer(tmp_path):
    assert "127.0.0.1:1" in refused(tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")


def test_kafka_without_an_address(tmp_path):
    assert "bootstrap_servers" in refused(tmp_path, ENABLE_KAFKA="true")


def test_everything_that_is_wrong_is_said_at_once(tmp_path):
    (tmp_path / "models").write_text("a file")
    line = refused(tmp_path, ENABLE_KAFKA="true")
    assert "MODEL_STORAGE_PATH" in line
    assert "bootstrap_servers" in line


def test_a_busy_port(tmp_path, service):
    port = service.url.rpartition(":")[2]
    assert port in refused(tmp_path, "--port", port)


def test_an_open_address(tmp_path):
    line = refused(tmp_path, "--host", "0.0.0.0", OLEARN_AUTH__ENABLED="false")
    assert "loopback" in line


def test_a_wrong_key_in_the_configuration(tmp_path):
    (tmp_path / "config.toml").write_text("[api]\nprot = 1\n")
    assert "api.prot" in refused(tmp_path)


@pytest.mark.kafka
def test_a_topic_that_is_missing_is_a_warning(kafka_broker):
    from olearn_core.cli.checks import check_broker
    from olearn_core.config import KafkaSettings

    settings = KafkaSettings(bootstrap_servers=kafka_broker.bootstrap, outcome_topic="not-there")
    (warning,) = asyncio.run(check_broker(settings))
    assert "not-there" in warning
