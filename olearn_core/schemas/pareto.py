"""Which agents are worth considering at all."""

from __future__ import annotations

from pydantic import Field

from olearn_core.schemas.bodies import Answer, Body, Name
from olearn_core.schemas.utility import Component


class ParetoQuery(Body):
    """Ask for the agents of a task type that no other one outdoes."""

    task_type: Name = Field(default="default", description="What the agents are to do.")


class ComponentInterval(Answer):
    """An expectation with its central 90 % interval."""

    mean: float
    low: float
    high: float


class ParetoAgent(Answer):
    """
    An agent, and who is better by posterior means in one component and worse in none.

    `components` holds those that anybody reports.
    """

    agent_name: str
    components: dict[Component, ComponentInterval]
    dominated_by: list[str]


class ParetoResponse(Answer):
    """The agents seen lately on one task type; `efficient` are those nobody dominates."""

    task_type: str
    units: dict[Component, str]
    efficient: list[str]
    agents: list[ParetoAgent]
    as_of: str | None
