"""Where the service listens, under which names, and what it says with its door open."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from olearn_core.api.app import create_app
from olearn_core.api.hosts import HostCheck
from olearn_core.config import ApiSettings
from tests.support.credentials import admit
from tests.support.services import running, settings_for

PROBLEM = "application/problem+json"


async def answer(settings: ApiSettings, host: str) -> int:
    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", hello)], middleware=[Middleware(HostCheck, settings)])
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.get("/", headers={"Host": host})
    if response.status_code != 200:
        assert response.headers["content-type"] == PROBLEM
    return response.status_code


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]:8000", "[::1]"]
)
async def test_on_loopback_it_answers_to_this_machine_s_names(host: str) -> None:
    assert await answer(ApiSettings(), host) == 200
    assert await answer(ApiSettings(host="::1"), host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "", "localhost.evil.example", "10.0.0.1", "["),
        *("127.0.0.1.evil.example", "127.0.0.1@evil.example", "evil.example:80:127.0.0.1"),
    ],
)
async def test_a_page_from_elsewhere_that_has_its_name_resolve_to_us_gets_nothing(
    host: str,
) -> None:
    assert await answer(ApiSettings(), host) == 421


async def test_other_names_are_configured() -> None:
    behind_a_proxy = ApiSettings(allowed_hosts=("olearn.example",))
    assert await answer(behind_a_proxy, "OLEARN.example:443") == 200
    assert await answer(behind_a_proxy, "localhost") == 200
    assert await answer(behind_a_proxy, "evil.example") == 421
    open_to_all = ApiSettings(host="0.0.0.0")
    assert await answer(open_to_all, "whatever.example") == 200
    named = ApiSettings(host="0.0.0.0", allowed_hosts=("olearn.example",))
    assert await answer(named, "localhost") == 421


async def test_with_the_door_open_everybody_may_and_it_says_so_loudly(
    tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(tmp_path, sqlite_url, auth={"enabled": False})
    async with running(settings) as run:
        with caplog.at_level(logging.WARNING):
            await run.service.authenticator.start()
        assert "switched off" in caplog.text
        transport = httpx2.ASGITransport(create_app(run.service))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            status = (await client.get("/api/learning/status")).json()
            assert status["status"] == "degraded"
            assert any("switched off" in warning for warning in status["warnings"])
            event = {"agent_name": "ada", "status": "success", "source": "runtime-7"}
            headers = {"Olearn-Tenant": "acme", "ce-source": "runtime-8"}
            sent = await client.post("/api/learning/outcomes", json=event, headers=headers)
            assert sent.status_code == 202
        (record,) = await run.service.source._log.read(0, 10)
        assert b"runtime-8" in record.value
        assert b"acme" in record.value
    assert not (tmp_path / "olearn-bootstrap.key").exists()


SAVE = "/api/learning/models/save"
OURS = "127.0.0.1:8000"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": f"http://{OURS}"}, 200),
        ({"Origin": f"https://{OURS}"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": OURS}, 403),
    ],
)
async def test_with_the_door_open_pages_from_elsewhere_may_change_nothing(
    tmp_path: Path, sqlite_url: str, headers: dict[str, str], status: int
) -> None:
    settings = settings_for(tmp_path, sqlite_url, auth={"enabled": False})
    async with running(settings) as run:
        transport = httpx2.ASGITransport(create_app(run.service))
        async with httpx2.AsyncClient(
            transport=transport, base_url=f"http://{OURS}", headers=headers
        ) as client:
            answer = await client.post(SAVE)
            assert answer.status_code == status
            assert (answer.headers["content-type"] == PROBLEM) == (status == 403)
            assert (await client.get("/api/learning/models")).status_code == 200


async def test_a_page_that_has_a_key_is_as_good_as_any_caller(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Behind a proxy that has another name for us, `/docs` would be a foreign page."""
    async with running(settings_for(tmp_path, sqlite_url)) as run:
        headers = await admit(run.service) | {"Origin": "https://olearn.example"}
        transport = httpx2.ASGITransport(create_app(run.service))
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{OURS}") as client:
            assert (await client.post(SAVE, headers=headers)).status_code == 200
            assert (await client.post(SAVE)).status_code == 401
