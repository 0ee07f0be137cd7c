"""The live stream: what is told, to whom, and what happens to slow readers and at the end."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from olearn_core.api.server import serve
from olearn_core.auth import SCOPES
from olearn_core.auth.api_key import key_id
from olearn_core.live.hub import MOST_WAITING, Hub
from olearn_core.schemas import STREAM_EVENTS, AlertBody
from olearn_core.service import Service
from tests.auth.provider import AUDIENCE, ISSUER, SECRET, token
from tests.support.credentials import HEADERS, lay_key
from tests.support.services import eventually, received, settings_for

PATH = "/api/learning/stream"
OUTCOMES = "/api/learning/outcomes"


class Told(NamedTuple):
    """One event as a browser's EventSource would see it."""

    id: str | None
    name: str
    data: dict[str, Any]


class Following:
    """A reader of a stream; events are checked against their schema."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, *names: str) -> Told:
        """Return the next event of one of these names, or of any."""
        async with asyncio.timeout(10):
            while True:
                told = await self._event()
                if not names or told.name in names:
                    return told

    async def _event(self) -> Told:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                continue
            if line:
                key, _, value = line.partition(": ")
                fields[key] = value
            elif "event" in fields:
                body = STREAM_EVENTS[fields["event"]].model_validate_json(fields["data"])
                return Told(fields.get("id"), fields["event"], body.model_dump())
        raise EOFError

    async def ended(self) -> None:
        """Read to the end, which has to be a clean one."""
        async with asyncio.timeout(20):
            async for _ in self._lines:
                continue


class Node:
    """A service that serves on a real socket."""

    def __init__(self, client: httpx2.AsyncClient, service: Service, stop: asyncio.Event) -> None:
        self.client = client
        self.service = service
        self.stop = stop

    @asynccontextmanager
    async def follow(
        self, topics: str | None = None, last_id: str | None = None
    ) -> AsyncIterator[Following]:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        query = {"topics": topics} if topics else {}
        async with self.client.stream("GET", PATH, headers=headers, params=query) as response:
            assert response.status_code == 200, await response.aread()
            yield Following(response)

    async def learn(self, **outcome: Any) -> None:
        answer = await self.client.post(OUTCOMES, json={"agent_name": "ada"} | outcome)
        assert answer.status_code == 202


@asynccontextmanager
async def serving(folder: Path, url: str, **sections: Any) -> AsyncIterator[Node]:
    api = {"port": 0} | sections.pop("api", {})
    lay_key(folder)
    settings = settings_for(folder, url, api=api, **sections)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()

    def on_ready(url: str, service: Service) -> None:
        ready.set_result((url, service))

    task = asyncio.create_task(serve(settings, stop=stop, on_ready=on_ready))
    try:
        async with asyncio.timeout(30):
            address, service = await ready
        async with httpx2.AsyncClient(base_url=address, headers=HEADERS) as client:
            yield Node(client, service, stop)
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


@pytest.fixture
async def node(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Node]:
    async with serving(tmp_path, sqlite_url) as one:
        yield one


async def test_a_reader_is_told_first_how_things_are_and_then_what_happens(node: Node) -> None:
    async with node.follow() as following:
        headers = following.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["x-accel-buffering"] == "no"
        first = await following.next()
        assert (first.name, first.data["missed"]) == ("snapshot", 0)
        assert first.data["metrics"]["samples_processed"] == 0
        await node.learn(status="success")
        checkpoint = await following.next("checkpoint")
        assert checkpoint.data["partition"] == "outcomes/0"
        assert (checkpoint.data["executions"], checkpoint.data["success_rate"]) == (1, 1.0)
        await node.service.publisher.publish("1", b'{"agent_name": "ada", "status": "broken"}')
        letter = await following.next("dead_letter")
        assert "broken" in letter.data["payload_head"]
        found = await node.client.get(f"/api/learning/dead-letters/{letter.data['id']}")
        assert found.json()["reason"] == letter.data["reason"]
        await node.client.post("/api/learning/models/save")
        version = await following.next("version")
        shown = await node.client.get(f"/api/learning/models/{version.data['model_type']}/versions")
        assert version.data["sha256"] in [v["sha256"] for v in shown.json()["versions"]]
        metrics = await following.next("metrics")
        assert metrics.id is None
        assert metrics.data["samples_processed"] == 1


async def test_one_may_follow_some_topics_only(node: Node) -> None:
    async with node.follow("checkpoint, version") as following:
        assert (await following.next()).data["metrics"] is None
        await node.learn(status="success")
        assert (await following.next()).name == "checkpoint"
    for wrong in ({"topics": "gossip"}, {"topics": "alert,"}, {"topic": "alert"}):
        answer = await node.client.get(PATH, params=wrong)
        assert answer.status_code == 422
    head = await node.client.head(PATH)
    assert head.headers["content-type"].startswith("text/event-stream")
    assert len(node.service.telling.hub.readers) <= 1, "nobody reads a head"


async def test_who_comes_back_goes_on_behind_the_last_event(node: Node) -> None:
    async with node.follow("checkpoint") as following:
        await following.next("snapshot")
        await node.learn(status="success")
        first = await following.next("checkpoint")
    await node.learn(status="success")
    newest = node.service.telling.hub
    await eventually(lambda: newest.newest_id != first.id)
    async with node.follow("checkpoint", last_id=first.id) as following:
        again = await following.next()
        assert again.name == "checkpoint"
        assert again.data["version"] > first.data["version"]


@pytest.mark.parametrize("last_id", ["abc", "0000-5", "-", "x" * 500])
async def test_an_id_of_another_life_gets_a_snapshot(node: Node, last_id: str) -> None:
    async with node.follow("checkpoint", last_id=last_id) as following:
        assert (await following.next()).name == "snapshot"


async def test_there_are_not_more_readers_than_allowed(tmp_path: Path, sqlite_url: str) -> None:
    async with serving(tmp_path, sqlite_url, api={"most_stream_readers": 1}) as node:
        async with node.follow() as following:
            await following.next()
            refused = await node.client.get(PATH)
            assert refused.status_code == 503
            assert "most_stream_readers" in refused.json()["detail"]
            assert refused.headers["retry-after"]
        await eventually(lambda: not node.service.telling.hub.readers)
        async with node.follow() as following:
            assert (await following.next()).name == "snapshot"


async def test_one_credential_does_not_take_all_places(tmp_path: Path, sqlite_url: str) -> None:
    limits = {"most_stream_readers": 3, "most_streams_of_one": 2}
    async with serving(tmp_path, sqlite_url, api=limits) as node:
        text, _ = await node.service.authenticator.keys.create("acme", SCOPES)
        acme = {"Authorization": f"Bearer {text}"}
        hub = node.service.telling.hub
        async with node.follow(), node.follow():
            refused = await node.client.get(PATH)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert "most_streams_of_one" in refused.json()["detail"]
            async with node.client.stream("GET", PATH, headers=acme) as others:
                assert others.status_code == 200
                assert len(hub.readers) == 3
        await eventually(lambda: not hub.readers)
        async with node.follow() as following:
            assert (await following.next()).name == "snapshot"


async def revoked(node: Node, text: str) -> None:
    await node.service.authenticator.keys.store.revoke(key_id(text), time.time())


async def nothing(_: Node, __: str) -> None:
    """Wait: it expires by itself."""


async def lasting_key(node: Node) -> str:
    return (await node.service.authenticator.keys.create("acme", SCOPES))[0]


async def short_key(node: Node) -> str:
    ends_at = time.time() + 2
    return (await node.service.authenticator.keys.create("acme", SCOPES, expires_at=ends_at))[0]


async def short_token(_: Node) -> str:
    return token(exp=int(time.time()) + 3)


@pytest.mark.parametrize(
    ("made", "ended"), [(lasting_key, revoked), (short_key, nothing), (short_token, nothing)]
)
async def test_it_ends_when_its_credential_does(
    tmp_path: Path,
    sqlite_url: str,
    made: Callable[[Node], Awaitable[str]],
    ended: Callable[[Node, str], Awaitable[None]],
) -> None:
    trusted = {"algorithms": ["HS256"], "issuer": ISSUER, "audience": AUDIENCE, "secret": SECRET}
    async with serving(tmp_path, sqlite_url, jwt=trusted | {"leeway_seconds": 0}) as node:
        status = 401
        while status == 401:  # a busy machine may be too late to be let in at all
            text = await made(node)
            headers = {"Authorization": f"Bearer {text}"}
            query = {"topics": "alert"}
            async with node.client.stream("GET", PATH, headers=headers, params=query) as response:
                status = response.status_code
                if status == 200:
                    await ended(node, text)
                    await Following(response).ended()
        assert status == 200
        assert (await node.client.get(PATH, headers=headers)).status_code == 401
        await eventually(lambda: not node.service.telling.hub.readers)


async def test_it_ends_cleanly_within_a_second_when_the_service_stops(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with serving(tmp_path, sqlite_url) as node, node.follow() as following:
        await following.next()
        node.stop.set()
        async with asyncio.timeout(1):
            await following.ended()


def alert(number: int) -> AlertBody:
    return AlertBody(
        id=f"lag-{number}",
        dedup_key="lag/@n",
        kind="lag",
        severity="warning",
        state="firing",
        tenant=None,
        subject=["x" * 1_000],
        message="",
        since="",
        node="n",
    )


async def test_a_reader_that_does_not_keep_up_gets_a_snapshot_instead(node: Node) -> None:
    host, port = node.client.base_url.host, node.client.base_url.port
    with socket.socket() as slow:
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (host, port))
        key = HEADERS["Authorization"]
        request = (
            f"GET {PATH}?topics=alert HTTP/1.1\r\nHost: {host}\r\nAuthorization: {key}\r\n\r\n"
        )
        await loop.sock_sendall(slow, request.encode())
        hub = node.service.telling.hub
        (reader,) = await eventually(lambda: list(hub.readers))
        for number in range(20_000):  # far more than sockets buffer
            hub.publish("alert", alert(number))
            if number % 100 == 0:
                await asyncio.sleep(0)
            if reader.missed:
                break
        assert reader.missed
        async with asyncio.timeout(20):
            read = await loop.sock_recv(slow, 1 << 20)
            while (told := missed_in(read)) is None:
                read = read[-100_000:] + await loop.sock_recv(slow, 1 << 20)
        assert told > MOST_WAITING


def missed_in(read: bytes) -> int | None:
    """Return how many events a snapshot in what was read says were missed, None for none."""
    found = re.search(rb'"missed":([1-9]\d*)', read)
    return int(found[1]) if found else None


async def test_tenants_are_told_of_their_own_and_of_nobodys() -> None:
    hub = Hub(most_readers=3)
    acme, operator = hub.attach({"alert"}, "acme", "acme"), hub.attach({"alert"}, "default", None)
    for number, tenant in enumerate(["acme", "other", None, "*"]):
        hub.publish("alert", alert(number), tenant)
    seen = [json.loads(event.data)["id"] for event in await acme.take(1)]
    assert seen == ["lag-0", "lag-2"]
    assert len(await operator.take(1)) == 4


async def test_the_metrics_of_a_tenant_tell_of_no_other(node: Node) -> None:
    text, _ = await node.service.authenticator.keys.create("acme", SCOPES)
    acme = {"Authorization": f"Bearer {text}"}
    sent = await node.client.post(
        OUTCOMES, json={"agent_name": "theirs", "status": "success"}, headers=acme
    )
    assert sent.status_code == 202
    for _ in range(3):
        await node.learn(status="failure")
    await received(node.service, 4)
    asked = (acme, {"Olearn-Tenant": "acme"}, {})
    for headers, samples, score in zip(asked, (1, 1, 4), (1.0, 1.0, 0.25), strict=True):
        async with node.client.stream("GET", PATH, headers=headers) as response:
            following = Following(response)
            first = (await following.next("snapshot")).data["metrics"]
            told = (await following.next("metrics")).data
            shown = await node.client.get("/api/learning/metrics", headers=headers)
            for metrics in (first, told, shown.json()):
                assert metrics["samples_processed"] == samples
                assert metrics["current_model_score"] == score


async def test_readers_of_one_tenant_may_see_more_or_less_of_it() -> None:
    hub = Hub(most_readers=2)
    operator = hub.attach({"metrics"}, "acme", None)
    confined = hub.attach({"metrics"}, "acme", "acme")
    hub.publish("metrics", alert(1), "acme")
    hub.publish("metrics", alert(2), "acme", "acme")
    for reader, seen in ((operator, "lag-1"), (confined, "lag-2")):
        (event,) = await reader.take(1)
        assert json.loads(event.data)["id"] == seen


async def test_only_the_newest_metrics_wait_for_a_reader() -> None:
    hub = Hub(most_readers=1)
    reader = hub.attach({"metrics"}, "acme", None)
    hub.publish("metrics", alert(-1), "other")
    for number in range(1_000):
        hub.publish("metrics", alert(number), "acme")
    (event,) = await reader.take(1)
    assert json.loads(event.data)["id"] == "lag-999"
    assert reader.told() == 0
