"""Times as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

KNOWN_SECONDS = 64


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
