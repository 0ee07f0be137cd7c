"""Pictures of screens, compared with those that were looked at and kept."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from olearn_tui.app import Dashboard
from olearn_tui.feed.connection import Connection
from olearn_tui.feed.feed import Feed
from olearn_tui.feed.resources import AGENTS, METRICS, Resource
from olearn_tui.profiles import Profile
from tests.support.services import eventually
from tests.tui import figures
from tests.tui.fake_service import FakeService

KEPT = Path(__file__).parent / "kept"
FAILED = Path(".cache") / "snapshots"
UPDATE = "OLEARN_SNAPSHOTS"  # set to `update` to keep what is drawn now
SECONDS = 240
SPOKEN_AT = figures.START + SECONDS


class StillFeed(Feed):
    """A feed that has read everything once, and whose clock stands still."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, clock=lambda: SPOKEN_AT)
        for second in range(SECONDS + 1):
            now = figures.START + second
            self.picture.take(METRICS, figures.metrics(now), now)
            if second % 2 == 0:
                self.picture.take(AGENTS, figures.agents(now), now)
        self.picture.link.state = "live"
        self.picture.streams = True
        self.picture.link.heard_at = SPOKEN_AT

    async def run(self) -> None:
        """Read what the screens want as soon as they want it."""
        async with self.connection:
            while True:
                self._hurry.clear()
                for resource in self._wanted:
                    await self._fill(resource)
                self.changed()
                await self._hurry.wait()

    async def _fill(self, resource: Resource[object]) -> None:
        if self.picture.read(resource) is None:
            self.picture.answers[resource.path] = await self._answer(resource)


async def drawn(
    fake: FakeService, mode: str, size: tuple[int, int], theme: str, keys: Sequence[str] = ()
) -> str:
    """
    Return the SVG of a screen.

    :param theme: `production` for the red one
    """
    production = theme == "production"
    profile = Profile(
        "prod-eu" if production else "staging",
        fake.url,
        theme=None if production else theme,
        production=production,
    )
    feed = StillFeed(Connection(fake.url))
    dashboard = Dashboard(profile, feed, first=mode)
    async with dashboard.run_test(size=size) as pilot:
        await _settled(dashboard, feed)
        for key in keys:
            await pilot.press(key)
            await _settled(dashboard, feed)
        await pilot.pause()
        return dashboard.export_screenshot(title="olearn")


def _is_read(feed: StillFeed, wanted: Sequence[Resource[Any]]) -> bool:
    return all(feed.picture.read(resource) is not None for resource in wanted)


async def _settled(dashboard: Dashboard, feed: StillFeed) -> None:
    """Wait until all that is wanted is there, and drawn."""
    await eventually(lambda: dashboard.screen.is_mounted, "a screen")
    wanted = None
    while wanted != feed._wanted:  # what is shown first may want more
        wanted = feed._wanted
        await eventually(partial(_is_read, feed, wanted), "data")
        dashboard.on_refreshed()
    if dashboard.current_mode == "decide":
        ranking = dashboard.screen.query_one("#ranking").table
        await eventually(lambda: ranking.rows, "a ranking")
    dashboard.on_refreshed()
    await dashboard._animator.wait_until_complete()


def snap_compare(name: str, svg: str) -> None:
    """Fail where a picture differs from the kept one; `OLEARN_SNAPSHOTS=update` keeps it."""
    kept = KEPT / f"{name}.svgz"
    if os.environ.get(UPDATE) == "update":
        KEPT.mkdir(exist_ok=True)
        kept.write_bytes(gzip.compress(svg.encode(), mtime=0))
    if not kept.exists() or gzip.decompress(kept.read_bytes()).decode() != svg:
        FAILED.mkdir(parents=True, exist_ok=True)
        now = FAILED / f"{name}.svg"
        now.write_text(svg)
        pytest.fail(
            f"{name} is drawn otherwise: compare {now} with {kept}; {UPDATE}=update keeps it"
        )
