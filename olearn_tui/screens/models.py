"""4: models, how they do, and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import TypeAdapter
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from olearn_core.schemas import (
    AgentEstimate,
    EstimateResponse,
    ModelResponse,
    PanelBody,
    RollbackRequest,
    RollbackResponse,
    SaveResponse,
    ValidationHour,
    ValidationResponse,
)
from olearn_tui import formats
from olearn_tui.charts.lines import Line
from olearn_tui.charts.samples import held, series
from olearn_tui.errors import LinkError
from olearn_tui.feed.connection import segment
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import MODELS, Resource, estimates, validation, versions
from olearn_tui.screens.estimate_columns import estimate_columns
from olearn_tui.screens.lineage import Descended, lineage
from olearn_tui.screens.modals import Confirm
from olearn_tui.screens.page import Page
from olearn_tui.screens.tasks import task_types, to_read
from olearn_tui.screens.version_columns import version_columns
from olearn_tui.widgets.charts import LineChart
from olearn_tui.widgets.column import Column, words
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable

SAVED = TypeAdapter(SaveResponse)
HOUR_SECONDS = 3_600.0
ROLLED_BACK = TypeAdapter(RollbackResponse)


class Models(Page):
    """Models, and all that is known of the one under the cursor."""

    CRUMB: ClassVar[str] = "Models"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "save", "Save versions", id="models.save"),
        Binding("b", "roll_back", "Roll back", id="models.rollback"),
    ]

    def panels(self) -> ComposeResult:
        """Lay out the models beside the one that is looked at."""
        with Vertical(id="left"):
            yield TablePanel("models", self._models_table(), id="models")
            yield TablePanel("expected of each agent", self._estimates_table(), id="estimates")
            yield TablePanel("options", self._options_table(), id="options")
        with Vertical(id="right"):
            yield LineChart("expected and observed, by hour", id="validation")
            yield LineChart("root of the mean squared error, by hour", id="error")
            yield TablePanel("versions", self._versions_table(), id="versions")

    def _models_table(self) -> RowTable[ModelResponse]:
        columns: Sequence[Column[ModelResponse]] = (
            words("model", 14, lambda m: m.model_type, grows=True),
            words("kind", 9, lambda m: m.kind, rank=1),
            Column(
                "strategy",
                14,
                lambda m: m.strategy or "",
                lambda m: m.strategy or formats.NOTHING,
                left=True,
                rank=2,
            ),
            Column(
                "version", 7, lambda m: m.active_version, lambda m: formats.count(m.active_version)
            ),
            Column(
                "updated",
                8,
                lambda m: m.last_update,
                lambda m: formats.clock(m.last_update),
                rank=3,
            ),
        )
        return RowTable(columns, lambda m: m.model_type, data=ModelResponse.model_dump)

    def _estimates_table(self) -> RowTable[AgentEstimate]:
        nothing_said = PanelBody(title="", format="number", better=None)
        return RowTable(
            estimate_columns(nothing_said, ""),
            lambda e: e.agent_name,
            data=AgentEstimate.model_dump,
            sort="mean",
        )

    def _options_table(self) -> RowTable[tuple[str, Any]]:
        columns: Sequence[Column[tuple[str, Any]]] = (
            words("option", 14, lambda o: o[0], grows=True),
            Column(
                "value",
                14,
                lambda o: str(o[1]),
                lambda o: formats.printable(str(o[1])),
                left=True,
                grows=True,
            ),
        )
        return RowTable(columns, lambda o: o[0], data=lambda o: {o[0]: o[1]})

    def _versions_table(self) -> RowTable[Descended]:
        return RowTable(
            version_columns(),
            lambda row: str(row.version.id),
            data=lambda row: row.version.model_dump(),
            nothing="no version was saved yet",
        )

    def on_mount(self) -> None:
        """Begin at the first model."""
        self._shown: str | None = None
        self._wanted: list[str] = []
        self.query_one("#models", TablePanel).table.focus()

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        model, picture = self.current, self.dashboard.picture
        if model is None:
            return MODELS, *to_read(picture)
        read = (MODELS, *to_read(picture), versions(model.model_type), validation(model.model_type))
        asked = self._asked_of(model, picture)
        return read if asked is None else (*read, asked)

    def _asked_of(
        self, model: ModelResponse, picture: Picture
    ) -> Resource[EstimateResponse] | None:
        """Return what to ask a model that says how its estimates are shown."""
        tasks = task_types(picture)
        if model.panel is None or tasks is None:
            return None
        return estimates(model.model_type, tasks[0])

    @property
    def current(self) -> ModelResponse | None:
        """The model under the cursor."""
        model: ModelResponse | None = self.query_one("#models", TablePanel).table.current
        return model

    def show(self, picture: Picture) -> None:
        """Show what is known now."""
        known = picture.read(MODELS)
        panel = self.query_one("#models", TablePanel)
        panel.note = picture.fault(MODELS)
        panel.table.set([] if known is None else known.models)
        self._look_closer(picture)

    @on(RowTable.Picked, "#models RowTable")
    def _open(self, event: RowTable.Picked) -> None:
        self.dashboard.open_details(event.row.model_type, event.row.model_dump())

    @on(RowTable.Picked, "#versions RowTable")
    def _open_version(self, event: RowTable.Picked) -> None:
        version = event.row.version
        self.dashboard.open_details(f"version {version.version_number}", version.model_dump())

    @on(RowTable.Picked, "#estimates RowTable")
    def _open_agent(self, event: RowTable.Picked) -> None:
        self.dashboard.open_agent(event.row.agent_name)

    @on(RowTable.Moved, "#models RowTable")
    def _other_model(self) -> None:
        self._look_closer(self.dashboard.picture)

    def _look_closer(self, picture: Picture) -> None:
        model = self.current
        if model is None:
            return
        wanted = self.wants()
        if [one.path for one in wanted] != self._wanted:
            self._wanted = [one.path for one in wanted]
            self.dashboard.feed.want(wanted)
        self.query_one("#options", TablePanel).table.set(list(model.options.items()))
        saved = picture.read(versions(model.model_type))
        self.query_one("#versions", TablePanel).table.set(
            [] if saved is None else lineage(saved.versions)
        )
        self._show_validation(model, picture.read(validation(model.model_type)))
        self._show_estimates(model, picture)

    def _show_estimates(self, model: ModelResponse, picture: Picture) -> None:
        """Show the panel that a model's plugin declares; a policy has none."""
        panel, asked = self.query_one("#estimates", TablePanel), self._asked_of(model, picture)
        panel.display = model.panel is not None
        if model.panel is None:
            return
        if model.model_type != self._shown:
            self._shown = model.model_type
            panel.title = model.panel.title
            panel.table.columns = estimate_columns(model.panel, model.unit or "")
            panel.table.sort_by("mean", descending=model.panel.better != "lower")
        known = None if asked is None else picture.read(asked)
        panel.note = "" if asked is None else picture.fault(asked)
        if known is not None:
            panel.note = f"on {formats.printable(known.task_type)}"
        panel.table.set([] if known is None else known.estimates)

    def _show_validation(self, model: ModelResponse, known: ValidationResponse | None) -> None:
        chart, errors = (
            self.query_one("#validation", LineChart),
            self.query_one("#error", LineChart),
        )
        title = model.panel.title if model.panel is not None else model.model_type
        chart.border_title = f"{title}: expected and observed, by hour"
        hours = [] if known is None else known.hours
        unit = "" if known is None else known.unit
        chart.border_subtitle = errors.border_subtitle = unit
        chart.shares = bool(model.panel and model.panel.format == "percent")
        chart.set(
            [
                _line("expected", hours, [hour.expected for hour in hours], 1),
                _line("observed", hours, [hour.observed for hour in hours], 0),
            ]
        )
        squared = [hour.mean_squared_error for hour in hours]
        roots = [None if value is None else value**0.5 for value in squared]
        errors.set([_line("error", hours, roots, 3)])

    @work
    async def action_save(self) -> None:
        """Save a version of every model, once the word was typed."""
        if not self.dashboard.may_write():
            return
        question = "A version of every model will be saved."
        if not await self.app.push_screen_wait(Confirm(question, "save")):
            return
        try:
            done = await self.dashboard.feed.connection.post("/models/save", None, SAVED)
        except LinkError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.notify(done.message, markup=False)
        self.dashboard.feed.hurry()

    @work
    async def action_roll_back(self) -> None:
        """Bring the model back to the version under the cursor, once its name was typed."""
        model, row = self.current, self.query_one("#versions", TablePanel).table.current
        if not self.dashboard.may_write() or model is None or row is None:
            return
        number = row.version.version_number
        question = (
            f"{model.model_type} will go back to version {number}"
            f" of {formats.date_and_clock(row.version.created_at)}, for all tenants."
        )
        if not await self.app.push_screen_wait(Confirm(question, model.model_type)):
            return
        path = f"/models/{segment(model.model_type)}/rollback"
        body = RollbackRequest(to_version=number, reason="from the dashboard")
        try:
            done = await self.dashboard.feed.connection.post(path, body, ROLLED_BACK)
        except LinkError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.notify(f"this is rollback {done.rollback_id}", markup=False)
        self.dashboard.feed.hurry()


def _line(
    name: str, hours: Sequence[ValidationHour], values: Sequence[float | None], ink: int
) -> Line:
    moments = [formats.moment_of(hour.start) for hour in hours]
    times = series([None if moment is None else moment.timestamp() for moment in moments])
    return Line(name, *held(times, series(values), HOUR_SECONDS), ink)
