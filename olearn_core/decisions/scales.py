"""Where latency and cost count fully: a tenant's 95th percentiles."""

from __future__ import annotations

from math import exp, sqrt

from olearn_core.models import Sums

Z_95 = 1.6448536269514722
DEFAULT_LATENCY_MS = 10_000.0
DEFAULT_COST_USD = 0.01


def default_scales(sums: Sums) -> tuple[float, float]:
    """Return (latency in ms, cost in USD), of the pooled lognormal laws of all cells."""
    latency = _percentile(sums, "ln_latency", "latency_n")
    micro_usd = _percentile(sums, "ln_cost", "cost_n")
    return (
        DEFAULT_LATENCY_MS if latency is None else max(1.0, latency),
        DEFAULT_COST_USD if micro_usd is None else max(1.0, micro_usd) / 1e6,
    )


def _percentile(sums: Sums, column: str, count: str) -> float | None:
    if not {column, count, f"{column}_sq"} <= sums.columns.keys():
        return None
    n = float(sums.column(count).sum())
    if n <= 0:
        return None
    mean = float(sums.column(column).sum()) / n / 1e3
    mean_square = float(sums.column(f"{column}_sq").sum()) / n / 1e6
    return exp(mean + Z_95 * sqrt(max(0.0, mean_square - mean**2)))
