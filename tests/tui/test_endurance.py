"""A dashboard that is left open does not grow."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable

from olearn_tui.app import Dashboard
from olearn_tui.feed.connection import Connection
from olearn_tui.feed.picture import SAMPLES, TAIL
from olearn_tui.feed.resources import AGENTS, METRICS
from olearn_tui.profiles import Profile
from tests.tui import figures
from tests.tui.fake_service import FakeService
from tests.tui.snapshots import StillFeed

AGENTS_SHOWN = 200
ROUND_SECONDS = 70  # so that both measurements are taken on the same screen
PROOF = bool(os.environ.get("OLEARN_PROOF"))
SECONDS = (52 if PROOF else 2) * ROUND_SECONDS
# In an hour the caches of Textual and Rich, which have bounds, come to know more texts and regions.
MOST_GROWTH_BYTES = 1_000_000 if PROOF else 300_000


async def test_it_does_not_grow_with_time(
    fake: FakeService, record_proof: Callable[[str, object], None]
) -> None:
    tracemalloc.start()  # before all else: to replace what was never counted is no growth
    feed = StillFeed(Connection(fake.url))
    dashboard = Dashboard(Profile("staging", fake.url, theme="tokyo-night"), feed)
    seen: set[str] = set()
    async with dashboard.run_test(size=(120, 40)) as pilot:

        async def live(first: int, seconds: int) -> None:
            for second in range(first, first + seconds):
                now = figures.START + second
                feed.picture.take(METRICS, figures.metrics(now), now)
                feed.picture.take(AGENTS, figures.agents(now, AGENTS_SHOWN), now)
                feed.picture.note("checkpoint", {"partition": "outcomes/0"}, now)
                dashboard.on_refreshed()
                if second % 10 == 0:
                    await pilot.press("escape", str(second // 10 % 7 + 1))
                    seen.add(dashboard.current_mode)

        for _ in range(TAIL):
            feed.picture.note("checkpoint", {"partition": "outcomes/0"}, figures.START)
        await live(0, ROUND_SECONDS)
        assert len(seen) == 7, "every screen was seen, every cache is warm"
        for ring in (*feed.picture.figures.values(), *feed.picture.success.values()):
            assert len(ring) <= 2 * SAMPLES
        await live(ROUND_SECONDS, ROUND_SECONDS)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        await live(2 * ROUND_SECONDS, SECONDS)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    record_proof("growth_bytes", grown)
    assert grown < MOST_GROWTH_BYTES
