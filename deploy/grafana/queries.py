"""PromQL, put together from the names of metrics."""

from __future__ import annotations

HERE = 'job=~"$job",instance=~"$instance"'
TENANT = 'job=~"$job",tenant=~"$tenant"'
SPAN = "[$__rate_interval]"


def node(metric: str) -> str:
    """Return a metric of the chosen nodes."""
    return f"{metric}{{{HERE}}}"


def total(metric: str, by: str = "") -> str:
    """Return a gauge, added up over the chosen nodes."""
    return f"sum{_by(by)}({node(metric)})"


def largest(metric: str, by: str = "") -> str:
    """Return the largest of a gauge's values."""
    return f"max{_by(by)}({node(metric)})"


def alike(metric: str, by: str = "") -> str:
    """Return a figure that all nodes tell alike, once."""
    return f'max{_by(by)}({metric}{{job=~"$job"}})'


def rate(metric: str, by: str = "", more: str = "") -> str:
    """Return the sum of a counter's rates."""
    return f"sum{_by(by)}(rate({metric}{{{HERE}{more}}}{SPAN}))"


def of_agents(metric: str) -> str:
    """Return a counter's rate by agent; all nodes tell it alike."""
    return f"sum by (agent) (max by (tenant, agent) (rate({metric}{{{TENANT}}}{SPAN})))"


def share(part: str, whole: str) -> str:
    """Return a part of a whole."""
    return f"{part} / {whole}"


def quantile(fraction: float, histogram: str, by: str = "") -> str:
    """Return a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({fraction}, {rate(f'{histogram}_bucket', labels)})"


def quantiles(histogram: str) -> dict[str, str]:
    """Return three quantiles of a histogram, by name."""
    named = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {name: quantile(fraction, histogram) for name, fraction in named.items()}


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""
