"""Serving over a real socket: addresses, ports, signals and the last word."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from olearn_core.api.server import bound, refuse_open_address, serve, url_of
from olearn_core.config import ApiSettings, Settings
from olearn_core.errors import ConfigError
from olearn_core.service import Service
from olearn_core.sources.embedded import PARTITION
from tests.support.credentials import HEADERS, lay_key
from tests.support.services import eventually, settings_for


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_loopback_addresses_are_served(host: str) -> None:
    refuse_open_address(Settings(api={"host": host}, auth={"enabled": False}))
    with bound(ApiSettings(host=host, port=0)) as listening:
        assert url_of(listening).startswith("http://")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "", "127.0.0.1 "])
def test_any_other_address_is_refused_only_while_nobody_has_to_say_who_calls(host: str) -> None:
    with pytest.raises(ConfigError, match=r"loopback.*\[auth\] enabled"):
        refuse_open_address(Settings(api={"host": host}, auth={"enabled": False}))
    refuse_open_address(Settings(api={"host": host}))


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


async def test_a_busy_port_is_known_before_anything_starts(
    tmp_path: Path, sqlite_url: str, busy_port: int
) -> None:
    settings = settings_for(tmp_path, sqlite_url, api={"port": busy_port})
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{busy_port}"):
        await serve(settings)
    assert not (tmp_path / "olearn.db").exists()


@pytest.mark.parametrize("how", ["event", "signal"])
async def test_it_serves_until_it_is_told_to_stop_and_saves_what_came_last(
    tmp_path: Path, sqlite_url: str, how: str
) -> None:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    lay_key(tmp_path)
    settings = settings_for(
        tmp_path,
        sqlite_url,
        api={"port": 0},
        learning={"checkpoint_interval_seconds": 1_000},
    )

    def on_ready(url: str, service: Service) -> None:
        ready.set_result((url, service))

    serving = asyncio.create_task(serve(settings, stop=stop, on_ready=on_ready))
    async with asyncio.timeout(30):
        url, service = await ready
        async with httpx2.AsyncClient(base_url=url, headers=HEADERS) as client:
            assert (await client.get("/readyz")).status_code == 200
            event = {"agent_name": "ada", "status": "success"}
            assert (await client.post("/api/learning/outcomes", json=event)).status_code == 202
            await eventually(lambda: service.view.counters().get("received"))
        if how == "event":
            stop.set()
        else:
            os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert service.state == "stopping"
    saved = [p.name for p in settings.versions.storage_path.iterdir()]
    assert "success_prediction.npz" in saved
    shard = service.worker.shards[PARTITION]
    assert shard.tick is None, "the last batch was saved"
    assert shard.state.counters["samples"] == 1
