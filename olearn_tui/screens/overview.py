"""1: how the service does, at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from olearn_core.schemas import AgentsResponse, AgentSummary, AlertBody, MetricsResponse
from olearn_tui import formats
from olearn_tui.charts.lines import Line
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import AGENTS, ALERTS, METRICS, Resource
from olearn_tui.screens.agent_columns import agent_columns
from olearn_tui.screens.alert_columns import alert_columns
from olearn_tui.screens.inks import COLOURS, Inks
from olearn_tui.screens.page import Page
from olearn_tui.widgets.charts import AreaChart, LineChart
from olearn_tui.widgets.figure import Figure
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable

SPAN_SECONDS = 600
LEAST_TO_CHART = 5
WORDS_WIDTH = 100  # in a narrower terminal there is room for the number only


class Overview(Page):
    """Figures with trends, charts, agents, firing alerts."""

    CRUMB: ClassVar[str] = "Overview"

    def panels(self) -> ComposeResult:
        """Lay out the panels."""
        with Horizontal(id="figures"):
            yield Figure("events/s", "/s", id="rate")
            yield Figure("lag", "records", id="lag", warn=1_000, bad=10_000)
            yield Figure("score", id="score")
            yield Figure("p95 update", "ms", id="p95", warn=500, bad=1_000)
            yield Figure("dead letters", id="letters")
        with Horizontal(id="charts"):
            yield LineChart(
                "success rate by agent", id="success", shares=True, span_seconds=SPAN_SECONDS
            )
            with Vertical(id="areas"):
                yield AreaChart("throughput, events/s", id="rates", span_seconds=SPAN_SECONDS)
                yield AreaChart("lag, records", id="lags", span_seconds=SPAN_SECONDS)
        with Horizontal(id="tables"):
            yield TablePanel("agents", self._agents(), id="agents")
            yield TablePanel("alerts", self._alerts(), id="alerts")

    def _agents(self) -> RowTable[AgentSummary]:
        return RowTable(
            agent_columns(),
            lambda agent: agent.agent_name,
            data=AgentSummary.model_dump,
            sort="success",
            descending=True,
        )

    def _alerts(self) -> RowTable[AlertBody]:
        columns = alert_columns(self.dashboard.feed.clock)
        return RowTable(
            columns, lambda alert: alert.id, data=AlertBody.model_dump, nothing="nothing is firing"
        )

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return AGENTS, ALERTS

    def on_mount(self) -> None:
        """Begin with what colours were given to whom."""
        self._inks = Inks()
        self._metrics: MetricsResponse | None = None
        self._known_agents: AgentsResponse | None = None
        self.query_one("#agents", TablePanel).table.focus()

    def show(self, picture: Picture) -> None:
        """Show what is known now."""
        if picture.read(METRICS) is not self._metrics:
            self._metrics = picture.read(METRICS)
            self._show_figures(picture)
            self._show_areas(picture)
        agents = picture.read(AGENTS)
        self.query_one("#agents", TablePanel).note = picture.fault(AGENTS)
        if agents is not None and agents is not self._known_agents:
            self._known_agents = agents
            self._show_agents(picture, agents.agents)
        alerts = picture.read(ALERTS)
        panel = self.query_one("#alerts", TablePanel)
        panel.set_class(bool(alerts and alerts.firing), "firing")
        panel.note = picture.fault(ALERTS)
        panel.table.set([] if alerts is None else alerts.firing)

    def on_resize(self) -> None:
        """Chart as many agents as there is room for."""
        super().on_resize()
        self.call_after_refresh(self._other_agent)

    def _show_areas(self, picture: Picture) -> None:
        rates, lags = picture.figures["events_per_second"], picture.figures["lag"]
        chart = self.query_one("#rates", AreaChart)
        chart.set(rates.times, rates.values, f"{formats.compact(rates.newest)}/s")
        waited = picture.figures["lag_seconds"].newest
        said = f"{formats.compact(lags.newest)} records · {formats.span(waited)}"
        self.query_one("#lags", AreaChart).set(lags.times, lags.values, said)

    def _show_figures(self, picture: Picture) -> None:
        known = picture.read(METRICS)
        figures = picture.figures
        seconds = figures["lag_seconds"].newest
        lag = self.query_one("#lag", Figure)
        waited = formats.span(seconds)
        whole = f"waits {waited}" if self.app.size.width >= WORDS_WIDTH else waited
        lag.border_subtitle = "" if seconds is None else whole
        shown = {
            "rate": ("events_per_second", formats.compact),
            "lag": ("lag", formats.compact),
            "score": ("score", formats.share),
            "p95": ("p95_ms", formats.milliseconds),
            "letters": ("dead_letters", formats.compact),
        }
        for name, (key, text) in shown.items():
            ring = figures[key]
            value = ring.newest if known is not None else None
            self.query_one(f"#{name}", Figure).set(text(value), value, ring.times, ring.values)

    def _show_agents(self, picture: Picture, agents: Sequence[AgentSummary]) -> None:
        self.query_one("#agents", TablePanel).table.set(agents)
        self._chart(picture, agents)

    def _chart(self, picture: Picture, agents: Sequence[AgentSummary]) -> None:
        """Chart those that do most; the one under the cursor is drawn on top."""
        chart = self.query_one("#success", LineChart)
        selected = self.query_one("#agents", TablePanel).table.current
        most = min(COLOURS, max(2, chart.size.height // 2))
        busiest = sorted(agents, key=lambda a: (-a.executions, a.agent_name))[:most]
        names = [agent.agent_name for agent in busiest]
        if selected is not None and selected.agent_name not in names:
            names[most - 1 :] = [selected.agent_name]
        inks = self._inks.of(names)
        if selected is not None and selected.agent_name in names:
            names.remove(selected.agent_name)
            names.append(selected.agent_name)
        rings = [(name, picture.success[name]) for name in names if name in picture.success]
        lines = [
            Line(formats.printable(name), ring.times, ring.values, inks[name])
            for name, ring in rings
        ]
        chart.border_subtitle = f"{len(lines)} of {len(agents)}" if agents else ""
        chart.set(lines)

    @on(RowTable.Moved, "#agents RowTable")
    def _other_agent(self) -> None:
        agents = self.dashboard.picture.read(AGENTS)
        if agents is not None:
            self._chart(self.dashboard.picture, agents.agents)

    @on(RowTable.Picked, "#agents RowTable")
    def _open_agent(self, event: RowTable.Picked) -> None:
        self.dashboard.open_agent(event.row.agent_name)

    @on(RowTable.Picked, "#alerts RowTable")
    def _open_alert(self, event: RowTable.Picked) -> None:
        self.dashboard.open_details(event.row.kind, event.row.model_dump())
