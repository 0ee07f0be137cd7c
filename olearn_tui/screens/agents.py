"""2: every agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from olearn_core.schemas import AgentSummary
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import AGENTS, Resource
from olearn_tui.screens.agent_columns import agent_columns
from olearn_tui.screens.page import Page
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable


class Agents(Page):
    """A table of agents that opens one of them."""

    CRUMB: ClassVar[str] = "Agents"

    def panels(self) -> ComposeResult:
        """Lay out the table."""
        table = RowTable(
            agent_columns(),
            lambda agent: agent.agent_name,
            data=AgentSummary.model_dump,
            sort="runs",
            descending=True,
        )
        yield TablePanel("agents", table, id="agents")

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return (AGENTS,)

    def show(self, picture: Picture) -> None:
        """Show what is known now."""
        known = picture.read(AGENTS)
        panel = self.query_one(TablePanel)
        more = known is not None and known.total > len(known.agents)
        busiest = f"the busiest of {known.total}" if known is not None and more else ""
        panel.note = picture.fault(AGENTS) or busiest
        panel.table.set([] if known is None else known.agents)

    @on(RowTable.Picked)
    def _open(self, event: RowTable.Picked) -> None:
        self.dashboard.open_agent(event.row.agent_name)
