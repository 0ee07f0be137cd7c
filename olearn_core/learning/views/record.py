"""What sums say of what agents did: means, intervals, percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, sqrt

from olearn_core.schemas import CostRecord, LatencyRecord, ShareRecord
from olearn_core.statistics.intervals import Z_95, share_interval

Z_P95 = 1.6448536269514722
MICRO_USD = 1e6
TENTHS = 10.0  # of a millisecond

IntegerSums = Mapping[str, int]


def mean_of(sums: IntegerSums, column: str, count: str, steps: float) -> float | None:
    """
    Return the mean of a column in its unit, None where nothing counts.

    :param steps: integer steps in one unit
    """
    n = sums.get(count, 0)
    return sums.get(column, 0) / steps / n if n else None


def share_record(sums: IntegerSums, column: str, count: str) -> ShareRecord | None:
    """Return the mean of success or quality with its interval."""
    mean, n = mean_of(sums, column, count, 1e3), sums.get(count, 0)
    if mean is None:
        return None
    low, high = share_interval(mean * n, n)
    return ShareRecord(mean=mean, low=low, high=high, n=n)


def latency_record(sums: IntegerSums) -> LatencyRecord | None:
    """Return latencies, their percentiles by the lognormal law that the sums determine."""
    mean = mean_of(sums, "latency", "latency_n", TENTHS)
    mu = mean_of(sums, "ln_latency", "latency_n", 1e3)
    square = mean_of(sums, "ln_latency_sq", "latency_n", 1e6)
    if mean is None or mu is None or square is None:
        return None
    sigma = sqrt(max(0.0, square - mu**2))
    p95, low, high = (exp(mu + z * sigma) for z in (Z_P95, -Z_95, Z_95))
    return LatencyRecord(
        mean_ms=mean, p50_ms=exp(mu), p95_ms=p95, low_ms=low, high_ms=high, n=sums["latency_n"]
    )


def cost_record(sums: IntegerSums) -> CostRecord | None:
    """Return costs."""
    mean = mean_of(sums, "cost", "cost_n", MICRO_USD)
    if mean is None:
        return None
    return CostRecord(mean_usd=mean, total_usd=sums["cost"] / MICRO_USD, n=sums["cost_n"])


def means(sums: IntegerSums) -> dict[str, float | None]:
    """Return the means of all components, by the names that the API gives them."""
    return {
        "success_rate": mean_of(sums, "success", "executions", 1e3),
        "avg_quality": mean_of(sums, "quality", "quality_n", 1e3),
        "avg_latency_ms": mean_of(sums, "latency", "latency_n", TENTHS),
        "avg_cost_usd": mean_of(sums, "cost", "cost_n", MICRO_USD),
    }
