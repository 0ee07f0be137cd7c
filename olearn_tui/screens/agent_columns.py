"""The columns of agents, wherever a table shows them."""

from __future__ import annotations

from collections.abc import Sequence

from olearn_core.schemas import AgentSummary
from olearn_tui import formats
from olearn_tui.widgets.column import Cell, Column

BAR = 6


def agent_columns() -> Sequence[Column[AgentSummary]]:
    """Return the columns, those that matter least with the highest rank."""
    return (
        Column("agent", 21, lambda a: a.agent_name, _name, left=True, grows=True, names=True),
        Column("success", 8, success, lambda a: formats.share(success(a))),
        Column("95 % interval", 13, _width, _interval, rank=2),
        Column("share", BAR + 8, lambda a: a.share_lately, _share, rank=1),
        Column("runs", 8, lambda a: a.executions, lambda a: formats.count(a.executions), rank=4),
        Column("quality", 7, quality, lambda a: formats.share(quality(a)), rank=7),
        Column("p50 ms", 7, _p50, lambda a: formats.milliseconds(_p50(a)), rank=8),
        Column("p95 ms", 7, _p95, lambda a: formats.milliseconds(_p95(a)), rank=5),
        Column("cost $", 8, cost, lambda a: formats.usd(cost(a)), rank=6),
        Column("24 h trend", 12, _last_trend, _trend, rank=3),
        Column("last seen", 9, lambda a: a.last_seen, _seen, rank=9),
    )


def success(agent: AgentSummary) -> float | None:
    """Return how often it succeeded."""
    return None if agent.success is None else agent.success.mean


def quality(agent: AgentSummary) -> float | None:
    """Return how good its work was."""
    return None if agent.quality is None else agent.quality.mean


def cost(agent: AgentSummary) -> float | None:
    """Return what an execution costs."""
    return None if agent.cost is None else agent.cost.mean_usd


def _p50(agent: AgentSummary) -> float | None:
    return None if agent.latency is None else agent.latency.p50_ms


def _p95(agent: AgentSummary) -> float | None:
    return None if agent.latency is None else agent.latency.p95_ms


def _name(agent: AgentSummary) -> Cell:
    name = formats.printable(agent.agent_name)
    return (f"{name} (retired)", "muted") if agent.retired else name


def _width(agent: AgentSummary) -> float | None:
    return None if agent.success is None else agent.success.high - agent.success.low


def _interval(agent: AgentSummary) -> Cell:
    known = agent.success
    return formats.NOTHING if known is None else (f"{known.low:.3f} … {known.high:.3f}"[:13], "")


def _share(agent: AgentSummary) -> Cell:
    known = agent.share_lately
    if known is None:
        return formats.NOTHING
    return f"{formats.bar(known, BAR)} {100 * known:5.1f} %", "accent"


def _last_trend(agent: AgentSummary) -> float | None:
    return next((value for value in reversed(agent.trend.success) if value is not None), None)


def _trend(agent: AgentSummary) -> Cell:
    known = [value for value in agent.trend.success if value is not None]
    return formats.sparks(known, 12), "accent"


def _seen(agent: AgentSummary) -> str:
    return formats.date_and_hour(agent.last_seen)
