"""What the dashboard takes beside a busy service, as figures of the report."""

from __future__ import annotations

from benchmarks import dashboard
from tests.proof.costs import Figure

MOST_GROWN_MIB = 5.0


def measured(minutes: float) -> list[Figure]:
    """Return the figures of so many minutes."""
    found = dashboard.measure(minutes)
    beside = f"dashboard beside a service that learns, {minutes:g} minutes"
    return [
        Figure(f"{beside}: CPU, of a core", "%", [found["cpu_percent"]], 15.0),
        Figure(f"{beside}: key to paint, median", "ms", [found["key_to_paint_p50_ms"]], 100.0),
        Figure(f"{beside}: key to paint, 99th percentile", "ms", [found["key_to_paint_p99_ms"]]),
        Figure(f"{beside}: growth in the second half", "MiB", [found["grown_mib"]], MOST_GROWN_MIB),
    ]
