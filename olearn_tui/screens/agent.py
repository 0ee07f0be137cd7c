"""One agent: what is believed of it, by task type, over time, and what it did last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal

from olearn_core.schemas import (
    AgentBelief,
    AgentResponse,
    AgentsResponse,
    AgentSummary,
    HistoryPoint,
    RecentOutcome,
    ShareRecord,
)
from olearn_tui import formats
from olearn_tui.charts.lines import Line
from olearn_tui.charts.posteriors import Belief
from olearn_tui.charts.samples import Series, held, series
from olearn_tui.charts.tiles import Tile
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import AGENTS, Resource, agent
from olearn_tui.screens.belief_columns import interval, with_unit
from olearn_tui.screens.page import Page
from olearn_tui.widgets.charts import AreaChart, HeatStrip, LineChart, PosteriorChart
from olearn_tui.widgets.column import Cell, Column, Tone, words
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable

SD_OF_95_PER_CENT = 3.92  # a normal law's central 95 % is so many standard deviations wide
LEAST_SD = 1e-4
HOUR_SECONDS = 3_600.0
TONES: dict[str | None, Tone] = {
    "success": "good",
    "failure": "bad",
    "timeout": "bad",
    "partial": "warn",
}


class AgentPage(Page):
    """
    All that is known of one agent.

    :param name: which one
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._agent = name
        self._resource = agent(name)

    def crumbs(self) -> list[str]:
        """Return where one is."""
        return ["Agents", formats.printable(self._agent)]

    def panels(self) -> ComposeResult:
        """Lay out the panels."""
        with Horizontal(classes="row"):
            yield PosteriorChart("success rate: what is believed", id="posterior")
            yield TablePanel("of a new task type", self._beliefs_table(), id="beliefs")
        yield HeatStrip("success by task type", id="task-types")
        with Horizontal(classes="row"):
            yield LineChart("success rate by hour", id="history", shares=True)
            yield AreaChart("executions by hour", id="executions")
        yield TablePanel("recent outcomes", self._recent_table(), id="recent")

    def _beliefs_table(self) -> RowTable[AgentBelief]:
        columns: Sequence[Column[AgentBelief]] = (
            words("of", 11, lambda b: with_unit(b.component or b.model_type, b.unit), grows=True),
            Column("mean", 8, lambda b: b.mean, lambda b: formats.number(b.mean)),
            Column(
                "90 % interval",
                19,
                lambda b: b.high - b.low,
                lambda b: interval(b.low, b.high),
                rank=1,
            ),
            Column(
                "n", 6, lambda b: b.effective_n, lambda b: formats.compact(b.effective_n), rank=2
            ),
        )
        return RowTable(columns, lambda b: b.model_type, data=AgentBelief.model_dump)

    def _recent_table(self) -> RowTable[RecentOutcome]:
        columns: Sequence[Column[RecentOutcome]] = (
            Column("at", 14, lambda o: o.at, lambda o: formats.date_and_clock(o.at)),
            words("task type", 14, lambda o: o.task_type, grows=True),
            Column("status", 9, lambda o: o.status or "", _status, left=True),
            Column(
                "quality", 7, lambda o: o.quality_score, lambda o: formats.share(o.quality_score)
            ),
            Column("ms", 8, lambda o: o.latency_ms, lambda o: formats.milliseconds(o.latency_ms)),
            Column("cost $", 8, lambda o: o.cost_usd, lambda o: formats.usd(o.cost_usd), rank=1),
            Column(
                "decided", 7, lambda o: o.decided, lambda o: "yes" if o.decided else "no", rank=2
            ),
        )
        return RowTable(
            columns,
            lambda o: f"{o.at} {o.task_type} {o.latency_ms}",
            data=RecentOutcome.model_dump,
            tails=True,
        )

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return self._resource, AGENTS

    def show(self, picture: Picture) -> None:
        """Show what is known now."""
        known = picture.read(self._resource)
        beliefs = self.query_one("#beliefs", TablePanel)
        beliefs.note = picture.fault(self._resource)
        beliefs.table.set([] if known is None else known.beliefs)
        if known is None:
            return
        self._show_posteriors(known, picture.read(AGENTS))
        tiles = [Tile(formats.printable(t.task_type), t.success_rate) for t in known.task_types]
        self.query_one(HeatStrip).set(sorted(tiles, key=lambda tile: tile.name))
        self._show_history(known)
        self.query_one("#recent", TablePanel).table.set(known.recent)

    def _show_posteriors(self, known: AgentResponse, agents: AgentsResponse | None) -> None:
        chart = self.query_one(PosteriorChart)
        others = [] if agents is None else agents.agents
        rival = runner_up(known.agent_name, others)
        shown = [known] if rival is None else [known, rival]
        beliefs = [
            Belief(formats.printable(one.agent_name), one.success.mean, _sd(one.success), ink)
            for ink, one in enumerate(shown)
            if one.success is not None
        ]
        chart.border_subtitle = _against(beliefs)
        chart.set(beliefs)

    def _show_history(self, known: AgentResponse) -> None:
        hours = known.history.hours
        times = _times(hours)
        rates = held(times, series([point.success_rate for point in hours]), HOUR_SECONDS)
        line = Line("success", *rates, 0)
        self.query_one("#history", LineChart).set([line] if len(hours) else [])
        counts = held(times, series([point.executions for point in hours]), HOUR_SECONDS)
        self.query_one("#executions", AreaChart).set(
            *counts, f"{formats.count(known.executions)} in all"
        )


def runner_up(name: str, agents: Sequence[AgentSummary]) -> AgentSummary | None:
    """Return the best agent beside this one, by its observed success."""
    others = [a for a in agents if a.agent_name != name and a.success is not None]
    return max(others, key=lambda a: a.success.mean if a.success else 0.0, default=None)


def _against(beliefs: Sequence[Belief]) -> str:
    """Return the means, and the runner-up's name: whose page it is says the first line."""
    means = [f"{beliefs[0].mean:.3f}"] if beliefs else []
    return " against ".join([*means, *(f"{b.name} {b.mean:.3f}" for b in beliefs[1:])])


def _sd(record: ShareRecord) -> float:
    return max((record.high - record.low) / SD_OF_95_PER_CENT, LEAST_SD)


def _times(points: Sequence[HistoryPoint]) -> Series:
    moments = [formats.moment_of(point.start) for point in points]
    return series([None if moment is None else moment.timestamp() for moment in moments])


def _status(outcome: RecentOutcome) -> Cell:
    return outcome.status or "rating", TONES.get(outcome.status, "muted")
