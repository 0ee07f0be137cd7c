"""Which decisions came back."""

from __future__ import annotations

from olearn_core.schemas.bodies import Answer


class ReturnsRow(Answer):
    """
    One agent's decisions on one task type and one day (UTC) of their making.

    `day` is null for all that are older than 90 days. `dangling` are those that no
    outcome came for in time.
    """

    day: str | None
    agent_name: str
    task_type: str
    decided: int
    joined: int
    dangling: int


class ReturnsResponse(Answer):
    """
    How many decisions were made, and how many outcomes brought their decision_id back.

    `dangling_share` is among the decisions whose time is over: `wait_minutes` after
    the end of their hour. `default_reward` is the success that dangling ones count as,
    null where nothing is learned of them.
    """

    decided: int
    joined: int
    dangling: int
    dangling_share: float | None
    wait_minutes: float
    default_reward: float | None
    rows: list[ReturnsRow]
