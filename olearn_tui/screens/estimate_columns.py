"""The columns of what a model expects of each agent, as its plugin's panel says."""

from __future__ import annotations

from collections.abc import Sequence

from olearn_core.schemas import AgentEstimate, PanelBody
from olearn_tui import formats
from olearn_tui.widgets.column import Column, words


def estimate_columns(panel: PanelBody, unit: str) -> Sequence[Column[AgentEstimate]]:
    """Return the columns."""
    return (
        words("agent", 14, lambda e: e.agent_name, grows=True, names=True),
        Column("mean", 11, lambda e: e.mean, lambda e: _with_unit(panel, unit, e.mean)),
        Column(
            "90 % interval",
            19,
            lambda e: e.high - e.low,
            lambda e: f"{_bare(panel, e.low)} … {_bare(panel, e.high)}",
            rank=1,
        ),
        Column("n", 6, lambda e: e.effective_n, lambda e: formats.compact(e.effective_n), rank=2),
    )


def _with_unit(panel: PanelBody, unit: str, value: float) -> str:
    """Return a number as the panel says."""
    said = {"percent": "%", "duration_ms": "ms", "usd": "$"}.get(panel.format, unit)
    return formats.printable(f"{_bare(panel, value)} {said}".rstrip())


def _bare(panel: PanelBody, value: float) -> str:
    if panel.format == "percent":
        return f"{100 * value:.1f}"
    if panel.format == "usd":
        return f"{value:.6f}" if value < 1 else f"{value:.2f}"
    return formats.milliseconds(value) if panel.format == "duration_ms" else formats.number(value)
