"""Times as the API writes them, and waiting: for a time, or so that others need not."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

KNOWN_SECONDS = 64
TURNS = 3  # a request is read in the first, carried out in the second


def rfc3339(unix_seconds: float) -> str | None:
    """Return a time with milliseconds in UTC, None for 0 (never)."""
    return now_rfc3339(unix_seconds) if unix_seconds else None


def now_rfc3339(unix_seconds: float) -> str:
    """Return a time with milliseconds in UTC."""
    seconds, milliseconds = divmod(int(unix_seconds * 1_000), 1_000)
    return f"{_until_the_second(seconds)}.{milliseconds:03}Z"


@lru_cache(KNOWN_SECONDS)
def _until_the_second(unix_seconds: int) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat()[:19]


def loop_seconds() -> float:
    """Return the running event loop's clock, which never jumps; intervals are measured by it."""
    return asyncio.get_running_loop().time()


async def came(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not longer than this; tell whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def give_way() -> None:
    """Let everybody go first who has come meanwhile; between stretches of work."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
