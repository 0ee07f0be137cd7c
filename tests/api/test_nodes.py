"""Nodes, partitions, plugins and configuration over HTTP."""

from __future__ import annotations

from contextlib import AsyncExitStack
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx2
import pytest

from olearn_core.api.app import create_app
from olearn_core.config import load_settings
from olearn_core.origins import configuration
from olearn_core.plugins import Plugins
from tests.api.conftest import Api
from tests.support.credentials import admit
from tests.support.services import eventually, publish, received, running, settings_for


async def get(service: Any, path: str) -> Any:
    transport = httpx2.ASGITransport(create_app(service))
    url, headers = f"http://localhost/api/learning{path}", await admit(service)
    async with httpx2.AsyncClient(transport=transport, headers=headers) as client:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        return answer.json()


def of_outcomes(body: Any) -> list[Any]:
    return [partition for partition in body["partitions"] if partition["topic"] == "outcomes"]


async def test_every_node_is_told_with_its_partitions_and_their_lag(
    tmp_path: Path, database_url: str
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(settings_for(tmp_path, database_url)))
        api_only = settings_for(tmp_path, database_url, service={"role": "api"})
        second = await stack.enter_async_context(running(api_only))
        await publish(first.service.publisher, [b'{"agent_name": "ada", "success": true}'] * 3)
        await received(first.service, 3)

        async def told() -> Any:
            body = await get(second.service, "/workers")
            partitions = of_outcomes(body)
            is_whole = len(body["nodes"]) == 2 and partitions and partitions[0]["lag"] == 0
            return is_whole and partitions[0]["next_offset"] and body

        body = await eventually(told)
        learner, other = body["nodes"]
        assert (learner["role"], other["role"]) == ("all", "api")
        assert (learner["alive"], learner["partitions"]) == (True, ["decisions/0", "outcomes/0"])
        assert other["instance"] == body["this_instance"] == second.service.instance
        (partition,) = of_outcomes(body)
        assert (partition["owner"], partition["owner_alive"]) == (first.service.instance, True)
        assert partition["epoch"] == 1
        assert partition["lag_seconds"] == 0
        assert 0 <= partition["checkpoint_age_seconds"] < 20
        await first.stop()
        body = await get(second.service, "/workers")
        assert [node["instance"] for node in body["nodes"]] == [second.service.instance]
        (partition,) = of_outcomes(body)
        assert (partition["owner_alive"], partition["lag"]) == (False, None)


async def test_a_node_that_has_crashed_is_told_to_be_silent(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(settings_for(tmp_path, sqlite_url)))
        second = await stack.enter_async_context(running(settings_for(tmp_path, sqlite_url)))
        await eventually(lambda: both_there(second.service))
        await first.crash()
        monkeypatch.setattr("olearn_core.api.nodes.ALIVE_SECONDS", 0.0)
        body = await get(second.service, "/workers")
        assert [node["alive"] for node in body["nodes"]] == [False, False]


async def both_there(service: Any) -> bool:
    return len((await get(service, "/workers"))["nodes"]) == 2


async def test_plugins_tell_their_hooks_and_models(tmp_path: Path, sqlite_url: str) -> None:
    plugins = Plugins.found()
    plugins.load(EntryPoint("broken", "tests.support.broken_plugin", "olearn"))
    async with running(settings_for(tmp_path, sqlite_url), plugins) as run:
        listed = {p["name"]: p for p in (await get(run.service, "/plugins"))["plugins"]}
    assert listed["success"]["hooks"] == ["olearn_register_models"]
    assert listed["success"]["models"] == ["success_prediction"]
    assert (listed["success"]["distribution"], listed["success"]["problem"]) == ("olearn", None)
    assert listed["broken"]["problem"] is not None


async def test_configuration_tells_values_and_hides_secrets(api: Api) -> None:
    body = (await api.get("/configuration")).json()
    settings = {s["key"]: s for s in body["settings"]}
    assert settings["api.port"] == {
        "key": "api.port",
        "value": 8000,
        "origin": "default",
        "variable": None,
    }
    assert settings["database.url"]["origin"] == "given"
    assert settings["learning.batch_timeout_seconds"]["origin"] == "given"
    assert settings["kafka.sasl_password"]["value"] in ("", "**********")


def test_origins_are_file_environment_and_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "olearn.toml"
    path.write_text(
        "[api]\nport = 9000\nhost = '::1'\n[decisions.tenants.acme]\nmode = 'online'\n"
        "[kafka]\nsasl_password = 'hush'\n[models.latency_prediction]\nstrategy = 'exponential'\n"
    )
    monkeypatch.setenv("OLEARN_API__PORT", "9001")
    monkeypatch.setenv("MODEL_BATCH_SIZE", "20")
    monkeypatch.setenv("OLEARN_DATABASE__URL", "postgresql+asyncpg://me:hush@db/olearn")
    body = configuration(load_settings(path, logging={"level": "ERROR"}))
    found = {s.key: (s.value, s.origin, s.variable) for s in body.settings}
    assert body.file == str(path)
    assert found["api.port"] == (9001, "environment", "OLEARN_API__PORT")
    assert found["api.host"] == ("::1", "file", None)
    assert found["api.max_body_bytes"] == (1 << 20, "default", None)
    assert found["learning.batch_size"] == (20, "environment", "MODEL_BATCH_SIZE")
    assert found["logging.level"] == ("ERROR", "given", None)
    assert found["decisions.tenants.acme.mode"] == ("online", "file", None)
    assert found["models.latency_prediction.strategy"] == ("exponential", "file", None)
    assert found["kafka.sasl_password"] == ("**********", "file", None)
    assert "hush" not in body.model_dump_json()
