from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from olearn_core.cli.app import app
from olearn_core.cli.demo import demo_settings
from olearn_core.evaluation import learned
from tests.cli.serving import environment, olearn
from tests.support.credentials import KEY_FILE
from tests.support.services import eventually

DECISIONS = "1000"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder that temporary folders are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def demo(*arguments):
    return CliRunner().invoke(app, ["demo", "--port", "0", *arguments])


def test_it_learns_says_what_and_leaves_nothing_behind(temporary):
    result = demo("--exit", "--decisions", DECISIONS, "--seed", "1")
    assert result.exit_code == 0, result.output
    for said in (
        "A simulated fleet does 1,000 tasks",
        "curiosity = 6",
        "polyglot joins",
        "analyst breaks",
        "901-1,000",
        "best possible",
        "does half of the tasks",
        "ms (median)",
        "It has learned",
    ):
        assert said in result.stdout
    assert list(temporary.iterdir()) == []


def test_where_it_has_not_learned_the_exit_code_is_1(temporary, monkeypatch):
    monkeypatch.setattr(learned, "ENOUGH", 1.5)
    result = demo("--exit", "--decisions", "500")
    assert result.exit_code == 1
    assert "It has not learned enough" in result.stdout


def test_a_busy_port_is_one_clear_line(temporary):
    from olearn_core.api.server import bound
    from olearn_core.config import ApiSettings

    with bound(ApiSettings(port=0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["demo", "--port", port])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert port in result.stderr
    assert list(temporary.iterdir()) == []


def test_too_few_decisions_are_a_usage_mistake():
    assert demo("--decisions", "3").exit_code == 2


def test_what_is_configured_here_does_not_matter(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    monkeypatch.setenv("OLEARN_DECISIONS__POLICY", "classic")
    settings = demo_settings(Path("folder"), 8000)
    assert not settings.kafka.in_use
    assert settings.decisions.policy == "agent_selection"


@pytest.mark.parametrize("moment", ["Look further", "A simulated fleet"])
def test_ctrl_c_ends_it_while_it_serves_and_while_it_learns(tmp_path, moment):
    process = subprocess.Popen(
        olearn("demo", "--port", "0", "--decisions", "600"),
        env=environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert any(moment in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once_and_it_leaves_no_key(tmp_path, how):
    process = subprocess.Popen(
        olearn("demo", "--port", "0", "--decisions", "600"),
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        url = next(line for line in process.stdout if "http://" in line)
        port = int(re.search(r"http://127.0.0.1:(\d+)", url)[1])
        key = (tmp_path / KEY_FILE).read_text()
        with socket.create_connection(("127.0.0.1", port)) as held:
            held.sendall(UNFINISHED.format(port=port, key=key).encode())  # it waits for the rest
            process.send_signal(how)
            asyncio.run(eventually(lambda: not listens(port)))
            process.send_signal(how)
            process.communicate(timeout=60)
    assert process.returncode in (-how, 0)  # 0 where this machine was slower than its patience
    assert not (tmp_path / KEY_FILE).exists()


UNFINISHED = (
    "POST /api/learning/outcomes HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    "Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
