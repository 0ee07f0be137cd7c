"""Limits: what is too much is refused at once, and nothing else suffers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from olearn_core.api.app import create_app
from olearn_core.api.limits import Lanes
from olearn_core.api.server import serve
from olearn_core.config import ApiSettings, Settings
from olearn_core.service import Service
from tests.api.conftest import Serving
from tests.support.credentials import HEADERS, lay_key
from tests.support.events import outcome
from tests.support.services import eventually, publish, received, settings_for

ADA = {"agent_name": "ada", "success": True}
JSON = HEADERS | {"Content-Type": "application/json"}
HEAD = (
    "POST /api/learning/decisions HTTP/1.1\r\nHost: {host}:{port}\r\n"
    f"Authorization: {HEADERS['Authorization']}\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
)
CROWD = 40
REFUSALS = (b"HTTP/1.1 429", b"HTTP/1.1 503")


async def test_beyond_the_rate_requests_are_refused_and_told_when_to_come_back(
    serving: Serving,
) -> None:
    async with serving(api={"rate_requests": 3, "rate_seconds": 3_600}) as api:
        answers = [await api.get("/status") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[0].headers["RateLimit-Policy"] == '"default";q=3;w=3600'
        left = [answer.headers["RateLimit"].split(";")[1] for answer in answers]
        assert left == ["r=2", "r=1", "r=0", "r=0"]
        problem = answers[3].json()
        assert (problem["status"], problem["title"]) == (429, "Too Many Requests")
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 3_600
        assert (await api.get("/livez")).status_code == 200


async def test_a_rate_of_zero_is_no_limit(serving: Serving) -> None:
    async with serving(api={"rate_requests": 0}) as api:
        answer = await api.get("/status")
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


WRONG = {"Authorization": "Bearer olk_live_guess"}


async def test_who_guesses_is_slowed_down_and_nobody_else(serving: Serving) -> None:
    async with serving(api={"most_wrong_credentials": 3}) as api:
        app = create_app(api.service)

        async def asked(address: str, headers: dict[str, str]) -> httpx2.Response:
            transport = httpx2.ASGITransport(app, client=(address, 1))
            async with httpx2.AsyncClient(transport=transport, base_url="http://[::1]") as client:
                return await client.get("/api/learning/status", headers=headers)

        for here, there in (("1.2.3.4", "1.2.3.5"), ("2001:db8::1", "2001:db8:0:1::1")):
            answers = [await asked(here, WRONG) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
            assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
            assert answers[3].json()["title"] == "Too Many Requests"
            assert (await asked(here, HEADERS)).status_code == 200, "a good key is let in"
            assert (await asked(here, {})).status_code == 401, "to show nothing is no guess"
            assert (await asked(there, WRONG)).status_code == 401
        for same in ("2001:db8::ffff", "::ffff:1.2.3.4"):
            assert (await asked(same, WRONG)).status_code == 429


async def test_guesses_may_be_without_limit(serving: Serving) -> None:
    async with serving(api={"most_wrong_credentials": 0}) as api:
        statuses = {(await api.get("/status", headers=WRONG)).status_code for _ in range(30)}
        assert statuses == {401}


async def test_a_crowd_of_decisions_is_thinned_out_and_other_lanes_stay_free(
    serving: Serving,
) -> None:
    async with serving(api={"most_decisions_at_once": 4}) as api:
        await api.learn(ADA)
        asked = [api.post("/decisions", json={}) for _ in range(CROWD)]
        told = [api.post("/outcomes", json=ADA) for _ in range(CROWD)]
        answers = await asyncio.gather(*asked, *told, api.get("/status"), api.get("/livez"))
        statuses = [answer.status_code for answer in answers]
        decided = Counter(statuses[:CROWD])
        assert decided.keys() == {200, 503}
        assert decided[200] >= 4
        assert set(statuses[CROWD:]) == {200, 202}
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["Content-Type"] == "application/problem+json"
        await received(api.service, CROWD + 1)
        assert (await api.post("/decisions", json={})).status_code == 200, "there is room again"


@pytest.mark.parametrize(
    ("path", "is_bounded"),
    [
        ("/nowhere", True),
        ("/api", True),
        ("/api/learning/status", True),
        ("/api/learning/stream", False),
        *(
            (path, False)
            for path in ("/livez", "/readyz", "/healthz", "/metrics", "/docs/problems")
        ),
    ],
)
async def test_every_closed_path_has_a_lane(path: str, is_bounded: bool) -> None:
    async def hello(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.01)
        await PlainTextResponse("hello")(scope, receive, send)

    transport = httpx2.ASGITransport(Lanes(hello, ApiSettings(most_others_at_once=1)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        answers = await asyncio.gather(client.get(path), client.get(path))
    assert {answer.status_code for answer in answers} == ({200, 503} if is_bounded else {200})


async def test_outcomes_that_wait_fill_their_own_lane_only(
    serving: Serving, tmp_path: Path
) -> None:
    async with serving(api={"most_outcomes_at_once": 3}) as api:
        await api.learn(ADA)
        with locked(tmp_path / "olearn.db"):
            sent = [asyncio.create_task(api.post("/outcomes", json=ADA)) for _ in range(5)]
            await eventually(lambda: sum(task.done() for task in sent) == 2)
            assert [task.result().status_code for task in sent[3:]] == [503, 503]
            assert (await api.post("/decisions", json={})).status_code == 200
        assert [answer.status_code for answer in await asyncio.gather(*sent[:3])] == [202] * 3


@contextlib.contextmanager
def locked(database: Path) -> Any:
    """Hold SQLite's lock, as somebody else's long transaction would."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[str, Service]]:
    """A real server that knows the key, with its address."""
    lay_key(settings.auth.bootstrap_key_file.parent)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(settings, stop=stop, on_ready=lambda url, service: ready.set_result((url, service)))
    )
    try:
        yield await ready
    finally:
        stop.set()
        await serving


async def test_who_is_not_answered_in_time_gets_a_problem_and_the_work_goes_on(
    tmp_path: Path, sqlite_url: str
) -> None:
    limits = {"port": 0, "request_timeout_seconds": 0.3}
    async with served(settings_for(tmp_path, sqlite_url, api=limits)) as (url, service):
        await publish(service.publisher, [outcome(agent_name="ada")])
        await received(service, 1)
        async with httpx2.AsyncClient(base_url=url, headers=JSON) as client:
            with locked(tmp_path / "olearn.db"):
                answer = await client.post("/api/learning/agents/ada/retire")
                assert answer.status_code == 503
                assert "within 0.3 s" in answer.json()["detail"]
                assert answer.headers["Retry-After"] == "1"
                assert (await client.get("/livez")).status_code == 200
            await eventually(lambda: "ada" in service.retired.names("default"))


async def test_who_never_sends_the_body_is_answered_as_well(
    tmp_path: Path, sqlite_url: str
) -> None:
    limits = {"port": 0, "request_timeout_seconds": 0.3}
    async with served(settings_for(tmp_path, sqlite_url, api=limits)) as (url, _):
        host, port = httpx2.URL(url).host, httpx2.URL(url).port
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(HEAD.format(host=host, port=port, length=10).encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 503")
        writer.close()


async def test_who_never_sends_bodies_leaves_the_others_half_of_the_places(
    tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"port": 0, "most_decisions_at_once": 4, "request_timeout_seconds": 100}
    async with AsyncExitStack() as stack:
        settings = settings_for(tmp_path, sqlite_url, api=limits)
        url, service = await stack.enter_async_context(served(settings))
        await publish(service.publisher, [outcome()])
        await received(service, 1)
        text, _ = await service.authenticator.keys.create("default", ["predict"])
        others = {"Authorization": f"Bearer {text}"}
        host, port = httpx2.URL(url).host, httpx2.URL(url).port
        head = HEAD.format(host=host, port=port, length=10).encode()
        ended = []
        for _ in range(10):
            reader, writer = await asyncio.open_connection(host, port)
            stack.callback(writer.close)
            writer.write(head)
            ended.append(asyncio.create_task(reader.readuntil(b"\r\n\r\n")))
        await eventually(lambda: sum(task.done() for task in ended) == 8)
        for task in ended:
            assert not task.done() or task.result()[:12] in REFUSALS
        async with httpx2.AsyncClient(base_url=url, headers=others) as client:
            assert (await client.post("/api/learning/decisions", json={})).status_code == 200
        async with httpx2.AsyncClient(base_url=url, headers=HEADERS) as client:
            again = await client.post("/api/learning/decisions", json={})
            assert again.headers["Retry-After"] == "1"
            assert "on their way" in again.json()["detail"]
        for task in ended:
            task.cancel()
    assert "a request failed" not in caplog.text, "who goes away is no fault of ours"


async def test_overload_is_shed_while_learning_goes_on(tmp_path: Path, sqlite_url: str) -> None:
    limits = {"port": 0, "most_decisions_at_once": 8}
    async with served(settings_for(tmp_path, sqlite_url, api=limits)) as (url, service):
        await publish(service.publisher, [outcome()])
        await received(service, 1)
        crowd = Crowd(url, callers=100)
        async with crowd, httpx2.AsyncClient(base_url=url, headers=HEADERS) as calm:
            await eventually(lambda: crowd.statuses[503] and crowd.statuses[200])
            await publish(service.publisher, [outcome(event_id=str(n)) for n in range(500)])
            await received(service, 501)
            before = crowd.statuses.total()
            assert (await calm.get("/livez")).status_code == 200
            assert (await calm.get("/readyz")).status_code == 200
            assert (await calm.get("/api/learning/status")).status_code == 200
            await eventually(lambda: crowd.statuses.total() > before + 100)
        assert crowd.statuses.keys() == {200, 503}


class Crowd:
    """Callers that ask for decisions again and again, and take no hint."""

    def __init__(self, url: str, callers: int) -> None:
        self._address = httpx2.URL(url)
        self._callers = callers
        self._tasks: list[asyncio.Task[None]] = []
        self.statuses: Counter[int] = Counter()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(self._callers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        found = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found), found

    async def _ask(self) -> None:
        host, port = self._address.host, self._address.port
        reader, writer = await asyncio.open_connection(host, port)
        body = json.dumps({"task_type": "code"}).encode()
        head = HEAD.format(host=host, port=port, length=len(body))
        try:
            while True:
                writer.write(head.encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                self.statuses[int(answer.split()[1])] += 1
        finally:
            writer.close()
