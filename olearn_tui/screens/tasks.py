"""Which task types there are, as the busiest agent tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import AGENTS, Resource, agent

DEFAULT = "default"


def task_types(picture: Picture) -> Sequence[str] | None:
    """Return task types, the commonest first; None while nothing is known of them."""
    agents = picture.read(AGENTS)
    if agents is None:
        return [DEFAULT] if picture.fault(AGENTS) else None
    if not agents.agents:
        return [DEFAULT]
    busiest = _busiest(picture)
    known = None if busiest is None else picture.read(busiest)
    if known is None:
        return [DEFAULT] if busiest is not None and picture.fault(busiest) else None
    ordered = sorted(known.task_types, key=lambda t: (-t.executions, t.task_type))
    return [task.task_type for task in ordered] or [DEFAULT]


def to_read(picture: Picture) -> Sequence[Resource[Any]]:
    """Return what must be read until task types are known."""
    if task_types(picture) is not None:
        return ()
    busiest = _busiest(picture)
    return (AGENTS,) if busiest is None else (busiest,)


def _busiest(picture: Picture) -> Resource[Any] | None:
    agents = picture.read(AGENTS)
    if agents is None or not agents.agents:
        return None
    return agent(max(agents.agents, key=lambda a: a.executions).agent_name)
