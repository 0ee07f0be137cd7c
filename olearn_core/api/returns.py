"""Which decisions came back, by agent, task type and day."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from olearn_core.api.operation import Call
from olearn_core.learning.views.returns import Returns
from olearn_core.schemas import ReturnsResponse, ReturnsRow
from olearn_core.statistics.buckets import DAY_SECONDS

BASE_DAY = -1


async def show_returns(call: Call) -> ReturnsResponse:
    """Return the tenant's decisions, those that came back, and those that nobody told of."""
    returns = call.service.view.returns(call.tenant)
    decisions = call.service.settings.decisions
    return ReturnsResponse(
        decided=int(returns.decided.sum()),
        joined=int(returns.joined.sum()),
        dangling=int(returns.dangling.sum()),
        dangling_share=returns.dangling_share,
        wait_minutes=decisions.reward_wait_minutes,
        default_reward=decisions.default_reward,
        rows=_rows(returns),
    )


def _rows(returns: Returns) -> list[ReturnsRow]:
    """Return a row a day, agent and task type, newest day first."""
    places = np.stack([-returns.days, returns.places[:, 1], returns.places[:, 0]], axis=1)
    unique, rows = np.unique(places, axis=0, return_inverse=True)
    counts = np.zeros((len(unique), 3), dtype=np.int64)
    figures = np.stack([returns.decided, returns.joined, returns.dangling], axis=1)
    np.add.at(counts, rows.reshape(-1), figures)
    return [
        ReturnsRow(
            day=_date(-day),
            agent_name=returns.agents[agent],
            task_type=returns.tasks[task],
            decided=decided,
            joined=joined,
            dangling=dangling,
        )
        for (day, agent, task), (decided, joined, dangling) in zip(
            unique.tolist(), counts.tolist(), strict=True
        )
    ]


def _date(day: int) -> str | None:
    if day == BASE_DAY:
        return None
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()
