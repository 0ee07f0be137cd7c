"""The feed reads for ever, whatever the service does, and says what happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from olearn_tui.feed.connection import Connection
from olearn_tui.feed.feed import Feed
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import AGENTS, ALERTS, METRICS, WORKERS
from olearn_tui.feed.rings import Ring
from olearn_tui.feed.sse import Sent, sent_events
from tests.support.services import eventually
from tests.tui import figures
from tests.tui.fake_service import FakeService, problem


@asynccontextmanager
async def reading(fake: FakeService, key: str | None = None) -> AsyncIterator[Feed]:
    """Run a feed; nothing may end it but us."""
    feed = Feed(Connection(fake.url, key, timeout_seconds=0.3))
    task = asyncio.create_task(feed.run())
    try:
        yield feed
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def live(feed: Feed) -> None:
    def is_live() -> bool:
        feed.hurry()  # as `r` does: who looks on need not wait
        return feed.picture.link.state == "live"

    await eventually(is_live, "live")


async def lost(feed: Feed) -> str:
    await eventually(lambda: feed.picture.link.state == "lost", "lost")
    return feed.picture.link.detail


async def test_what_is_wanted_is_read_beside_what_always_is(fake: FakeService) -> None:
    async with reading(fake) as feed:
        feed.want([AGENTS])
        await eventually(lambda: feed.picture.read(AGENTS), "agents")
        known = feed.picture.read(METRICS)
        assert known is not None
        assert known.agent_count == len(figures.NAMES)
        assert feed.picture.success["planner"].newest == pytest.approx(
            figures.rate_of(0, fake.clock())
        )
        assert not any("workers" in asked for asked in fake.asked)


FAULTS: dict[str, tuple[Callable[[Request], Response | None], str]] = {
    "500s": (lambda _: problem(500, "the database is away"), "the database is away (500)"),
    "503 without a body": (lambda _: Response(status_code=503), "Service Unavailable (503)"),
    "garbage": (lambda _: Response(b"\x00\xff{", media_type="application/json"), "not olearn"),
    "a page": (lambda _: PlainTextResponse("<html>"), "not olearn"),
    "another key": (lambda _: problem(401, "no"), "the key is not accepted"),
    "wrong shape": (lambda _: Response(b'{"total_updates": -1}'), "not olearn"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_it_says_what_happened_keeps_what_it_knew_and_comes_back(
    fake: FakeService, name: str
) -> None:
    fault, said = FAULTS[name]
    async with reading(fake) as feed:
        await live(feed)
        known = feed.picture.read(METRICS)
        fake.fault = fault
        assert said in await lost(feed)
        assert feed.picture.read(METRICS) == known
        fake.fault = lambda _: None
        await live(feed)
        assert feed.picture.link.detail == ""


async def test_a_service_that_is_paused_is_waited_for(fake: FakeService) -> None:
    async with reading(fake) as feed:
        await live(feed)
        fake.held.clear()
        assert "does not answer in time" in await lost(feed)
        fake.held.set()
        await live(feed)


async def test_a_service_that_dies_is_found_again() -> None:
    async with FakeService(lambda: figures.START) as first:
        port, feed = first.port, Feed(Connection(first.url, timeout_seconds=0.3))
        task = asyncio.create_task(feed.run())
        await live(feed)
    assert "nobody answers" in await lost(feed) or "broke" in feed.picture.link.detail
    async with FakeService(lambda: figures.START, port):
        await live(feed)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_waits_longer_each_time_but_never_gives_up(fake: FakeService) -> None:
    now = 1_000.0
    feed = Feed(Connection(fake.url), clock=lambda: now)
    fake.fault = lambda _: problem(500, "no")
    waits = []
    async with feed.connection:
        for _ in range(7):
            await feed._round()
            waits.append(feed.picture.link.retry_at - now)
    assert waits == [1, 2, 4, 8, 10, 10, 10]


async def test_what_this_service_does_not_have_spoils_nothing_else(fake: FakeService) -> None:
    fake.fault = lambda r: problem(403, "operators only") if "workers" in r.url.path else None
    async with reading(fake) as feed:
        feed.want([WORKERS, AGENTS])
        await eventually(lambda: feed.picture.read(AGENTS), "agents")
        assert feed.picture.fault(WORKERS) == "operators only (403)"
        assert feed.picture.link.state == "live"


async def test_it_hears_the_stream_instead_of_asking_for_metrics(fake: FakeService) -> None:
    fake.streams = True
    async with reading(fake) as feed:
        fake.send("metrics", figures.metrics(figures.START + 60))
        await eventually(lambda: feed.picture.streams, "the stream")
        fake.send("alert", figures.alert(figures.START, "never_learning"), "7")
        fake.send("checkpoint", '{"partition": "outcomes/0", "executions": 12}', "8")
        await eventually(lambda: feed.picture.tailed == 2, "two events")
        known = feed.picture.read(ALERTS)
        assert known is not None
        assert [a.kind for a in known.firing] == ["never_learning"]
        assert [t.name for t in feed.picture.tail] == ["alert", "checkpoint"]
        fake.send("alert", figures.alert(figures.START, "never_learning", "resolved"), "9")
        await eventually(lambda: feed.picture.tailed == 3, "the third")
        known = feed.picture.read(ALERTS)
        assert known is not None
        assert (len(known.firing), len(known.recent)) == (0, 1)


async def test_a_stream_goes_on_behind_the_last_event(
    fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olearn_tui.feed.feed.STREAM_AGAIN_SECONDS", 0.01)
    fake.streams = True
    async with reading(fake) as feed:
        fake.send("version", "not json", "3")
        fake.send("version", '{"model_type": "x"}', "4")
        await eventually(lambda: feed.picture.tailed == 1, "the event that can be read")
        assert feed.picture.missed == 1
        fake.end_stream()
        await eventually(lambda: len(fake.last_ids) >= 2, "another stream")
        assert fake.last_ids[:2] == [None, "4"]


async def lines_of(text: str) -> AsyncIterator[str]:
    for line in text.split("\n"):
        yield line


async def test_events_are_read_as_the_standard_says() -> None:
    text = ": hi\nretry: 5\ndata: 1\ndata:2\n\nevent: a\nid: 9\ndata: x\n\nevent: b\n\ndata: cut"
    sent = [event async for event in sent_events(lines_of(text))]
    assert sent == [Sent("message", "1\n2", ""), Sent("a", "x", "9")]


def test_a_ring_keeps_the_newest_in_order_and_never_grows() -> None:
    ring = Ring(100)
    for second in range(1_000):
        ring.add(second, None if second % 10 == 0 else second)
    assert 100 <= len(ring) <= 200
    assert ring.times[-1] == ring.newest == 999
    assert (ring.times[1:] > ring.times[:-1]).all()
    assert ring.at(998.5) == 998
    assert ring.at(0) is None
    ring.add(999, 5)
    assert ring.newest == 5


def test_the_rate_is_that_of_the_last_seconds() -> None:
    picture = Picture()
    answer = figures.metrics(figures.START)
    for second in range(20):
        learned = answer.model_copy(update={"samples_processed": 1_000 * second**2})
        picture.take(METRICS, learned, 100.0 + second)
    assert picture.figures["events_per_second"].newest == (19**2 - 14**2) * 1_000 / 5


def test_a_held_picture_stands_still() -> None:
    picture = Picture()
    picture.take(AGENTS, figures.agents(figures.START), 1.0)
    held = picture.held()
    picture.take(AGENTS, figures.agents(figures.START, 3), 2.0)
    picture.note("alert", {}, 2.0)
    assert len(held.success) == len(figures.NAMES)
    assert len(held.success["coder"]) == 1
    assert not held.tail
    assert len(picture.success) == 3
