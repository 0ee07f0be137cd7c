"""Times as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(unix_seconds: float) -> str | None:
    """Return a time with milliseconds in UTC, None for 0 (never)."""
    if not unix_seconds:
        return None
    return now_rfc3339(unix_seconds)


def now_rfc3339(unix_seconds: float) -> str:
    """Return a time with milliseconds in UTC."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
