"""A dashboard to press keys on, and a service that it can ask."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from olearn_tui.app import Dashboard
from olearn_tui.feed.connection import Connection
from olearn_tui.feed.feed import Feed
from olearn_tui.profiles import Profile
from tests.tui import figures
from tests.tui.fake_service import FakeService

Open = Callable[..., Dashboard]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks on the wall show UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    """A service whose clock stands still."""
    async with FakeService(lambda: figures.START + 240) as service:
        yield service


@pytest.fixture
def open_dashboard(fake: FakeService) -> Open:
    """Make a dashboard of the fake service."""

    def opened(key: str | None = None, **more: object) -> Dashboard:
        profile = Profile("staging", fake.url, key=key, theme="tokyo-night")
        feed = Feed(Connection(fake.url, key, timeout_seconds=0.5))
        return Dashboard(profile, feed, **more)

    return opened
