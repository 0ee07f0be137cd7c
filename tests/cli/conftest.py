"""A command line to call, and a service that it can ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from olearn_core.cli.app import app
from olearn_core.client import OlearnClient
from tests.cli.serving import FOREIGN, Serving
from tests.support.credentials import KEY
from tests.support.services import eventually

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests ask themselves is asked as an operator."""
    monkeypatch.setenv("OLEARN_API_KEY", KEY)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Call `olearn` with arguments, in an empty folder and environment."""
    import os

    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OLEARN_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)

    def called(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return called


@pytest.fixture
def call_json(call: Call) -> Callable[..., Any]:
    """Call `olearn … --json` and return what it prints."""

    def called(*arguments: object) -> Any:
        result = call(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return called


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that the tests of one module share."""
    with Serving(tmp_path_factory.mktemp("service")) as serving:
        yield serving


@pytest.fixture(scope="session")
def nobody() -> str:
    """The URL of a port that nobody listens on."""
    from tests.servers import free_ports

    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def learned() -> Callable[[str, int], None]:
    """Wait until a service has learned so many outcomes."""

    async def wait(url: str, count: int) -> None:
        async with OlearnClient(url) as client:

            async def all_there() -> bool:
                metrics = await client.metrics()
                return metrics.samples_processed + metrics.duplicates >= count

            await eventually(all_there, f"{count} outcomes learned")

    return lambda url, count: asyncio.run(wait(url, count))
