"""3: ask who would be chosen, and why, while weights are moved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label

from olearn_core.schemas import (
    AgentsResponse,
    Component,
    ComponentBelief,
    Contribution,
    DecisionRequest,
    DecisionResponse,
    Explanation,
    Recommendation,
)
from olearn_tui import formats
from olearn_tui.charts.signed import Signed
from olearn_tui.errors import LinkError
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import AGENTS, Resource
from olearn_tui.screens.belief_columns import interval, with_unit
from olearn_tui.screens.page import Page
from olearn_tui.screens.tasks import task_types, to_read
from olearn_tui.widgets.charts import SignedBars
from olearn_tui.widgets.column import Column, words
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable

COMPONENTS: tuple[Component, ...] = ("success", "quality", "latency", "cost")
WAIT_SECONDS = 0.25  # after the last key, before anything is asked
STEP = 0.1
ANSWER = TypeAdapter(DecisionResponse)


class Decide(Page):
    """A form, the ranking that it gives, and the explanation of its first agent."""

    CRUMB: ClassVar[str] = "Decide"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", f"weigh({STEP})", "More weight", id="decide.more"),
        Binding("down", f"weigh(-{STEP})", "Less", id="decide.less"),
        Binding("escape", "back", "To the ranking", id="decide.back"),
    ]

    def panels(self) -> ComposeResult:
        """Lay out the form over the ranking and its explanation."""
        with Grid(id="form", classes="panel") as form:
            form.border_title = "task"
            yield Label("task type")
            yield Input(placeholder="default", id="task-type", compact=True)
            yield Label("context")
            yield Input(placeholder="key=value, key=value", id="context", compact=True)
            yield Label("weights")
            with Horizontal(id="weights"):
                for component in COMPONENTS:
                    yield Label(f"{component} ")
                    yield Input(
                        placeholder="as set", id=f"weight-{component}", compact=True, type="number"
                    )
        with Horizontal(id="answer"):
            yield TablePanel("ranking", self._ranking_table(), id="ranking")
            with Vertical(id="reasons"):
                yield SignedBars("the first against the average", id="average")
                yield SignedBars("the first against the runner-up", id="runner-up")
                yield TablePanel("what is believed of it", self._beliefs_table(), id="beliefs")

    def _ranking_table(self) -> RowTable[Recommendation]:
        columns: Sequence[Column[Recommendation]] = (
            Column("#", 3, lambda r: r.rank, lambda r: str(r.rank)),
            words("agent", 16, lambda r: r.agent_name, grows=True, names=True),
            Column(
                "probability",
                16,
                lambda r: r.probability,
                lambda r: (_likelihood(r.probability), "accent"),
            ),
            Column("utility", 8, lambda r: r.score, lambda r: f"{r.score:.4f}"),
            Column("moved", 6, self._moved, lambda r: _arrow(self._moved(r)), rank=1),
        )
        return RowTable(columns, lambda r: r.agent_name, data=Recommendation.model_dump)

    def _beliefs_table(self) -> RowTable[ComponentBelief]:
        columns: Sequence[Column[ComponentBelief]] = (
            words("of", 11, lambda b: with_unit(b.component, b.unit), grows=True),
            Column("mean", 8, lambda b: b.mean, lambda b: formats.number(b.mean)),
            Column(
                "90 % interval",
                19,
                lambda b: b.high - b.low,
                lambda b: interval(b.low, b.high),
                rank=1,
            ),
            Column(
                "prior",
                6,
                lambda b: b.prior_share,
                lambda b: f"{100 * b.prior_share:.0f} %",
                rank=2,
            ),
        )
        return RowTable(columns, lambda b: b.component, data=ComponentBelief.model_dump)

    def on_mount(self) -> None:
        """Begin without an answer."""
        self._ranks: Mapping[str, int] = {}
        self._ranks_before: Mapping[str, int] = {}
        self._asked: DecisionRequest | None = None
        self._names: Mapping[str, str] = {}
        self._begun = False
        self.query_one("#task-type", Input).focus()

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return AGENTS, *to_read(self.dashboard.picture)

    def show(self, picture: Picture) -> None:
        """Say how many candidates there are."""
        known: AgentsResponse | None = picture.read(AGENTS)
        if known is not None:
            form = self.query_one("#form", Grid)
            form.border_subtitle = f"{known.total} agents · a preview: nothing is logged"
        if not self._begun:
            self._begin(picture)

    def _begin(self, picture: Picture) -> None:
        """Ask for the commonest task type, as soon as it is known, unless another is typed."""
        tasks = task_types(picture)
        if tasks is None:
            self.dashboard.feed.want(self.wants())
            return
        line = self.query_one("#task-type", Input)
        line.suggester = SuggestFromList(tasks, case_sensitive=False)
        line.value = tasks[0]

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if event.input.parent is not None and event.input.id:
            self._begun = True
            self._ask()

    def action_weigh(self, step: float) -> None:
        """Raise or lower the weight that is being typed."""
        line = self.focused
        if isinstance(line, Input) and line.type == "number":
            weight = max(0.0, float(line.value or 1.0) + step)
            line.value = f"{weight:.1f}"

    @work(exclusive=True)
    async def _ask(self) -> None:
        """Ask once the typing pauses; a newer question replaces this one."""
        await asyncio.sleep(WAIT_SECONDS)
        panel = self.query_one("#ranking", TablePanel)
        try:
            asked = self._request()
        except ValueError as error:
            panel.note = str(error)
            return
        try:
            answer = await self.dashboard.feed.connection.post("/decisions", asked, ANSWER)
        except LinkError as error:
            panel.note = str(error)
            return
        panel.note = asked.task_type
        self._show_answer(answer)

    def _request(self) -> DecisionRequest:
        """
        Return what the form asks.

        :raises ValueError: where it cannot be asked
        """
        weights = {
            component: float(text)
            for component in COMPONENTS
            if (text := self.query_one(f"#weight-{component}", Input).value.strip())
        }
        try:
            return DecisionRequest(
                task_type=self.query_one("#task-type", Input).value.strip() or "default",
                context=context_of(self.query_one("#context", Input).value),
                weights=weights or None,
                explain=True,
                preview=True,
            )
        except ValidationError as error:
            raise ValueError(str(error.errors()[0]["msg"])) from error

    def _show_answer(self, answer: DecisionResponse) -> None:
        by_law = sorted(answer.recommendations, key=lambda r: (-(r.probability or 0.0), r.rank))
        ranked = [
            one.model_copy(update={"rank": place}) for place, one in enumerate(by_law, start=1)
        ]
        self._ranks_before, self._ranks = self._ranks, {r.agent_name: r.rank for r in ranked}
        self.query_one("#ranking", TablePanel).table.set(ranked)
        if answer.explanation is not None:
            self._explain(answer.explanation)

    def _explain(self, explanation: Explanation) -> None:
        pairs = (
            ("#average", explanation.against_average, "the average"),
            ("#runner-up", explanation.against_runner_up, "the runner-up"),
        )
        self.query_one("#beliefs", TablePanel).table.set(explanation.components)
        for place, against, whom in pairs:
            bars = self.query_one(place, SignedBars)
            if against is None:
                bars.set([])
                continue
            other = formats.printable(against.agent_name or whom)
            bars.border_title = f"the first against {other}"
            bars.border_subtitle = f"utility {against.difference:+.4f}"
            parts = sorted(against.contributions, key=lambda part: -abs(part.utility))
            bars.set([Signed(_part(part), part.utility) for part in parts])

    def _moved(self, row: Recommendation) -> int:
        """Return by how many ranks an agent rose since the answer before."""
        before = self._ranks_before.get(row.agent_name, row.rank)
        return before - row.rank


def context_of(text: str) -> dict[str, str | float | bool]:
    """
    Return `key=value, key=value` as a context; numbers and true or false are what they look like.

    :raises ValueError: where a part is no pair
    """
    found: dict[str, str | float | bool] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{part!r} is not key=value")
        found[key.strip()] = _value(value.strip())
    return found


def _part(part: Contribution) -> str:
    """Return what contributes: of which component, and by the agent, the task type or the rest."""
    return f"{part.component} · {part.part.removesuffix('_type')}"


def _value(text: str) -> str | float | bool:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _arrow(ranks: int) -> tuple[str, Any]:
    if ranks == 0:
        return "", ""
    return (f"▲ {ranks}", "good") if ranks > 0 else (f"▼ {-ranks}", "bad")


def _likelihood(probability: float | None) -> str:
    """Return a bar and the percentage; nothing where the caller chose and did not say."""
    if probability is None:
        return ""
    return f"{formats.bar(probability, 7)} {100 * probability:5.1f} %"
