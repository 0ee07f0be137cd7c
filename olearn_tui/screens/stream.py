"""5: what happens, as it happens; and what could not be learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import TypeAdapter
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from olearn_core.schemas import (
    DeadLetterResponse,
    DeadLetterSummary,
    RetryRequest,
    RetryResponse,
)
from olearn_tui import formats
from olearn_tui.errors import LinkError
from olearn_tui.feed.picture import Picture, Tailed
from olearn_tui.feed.resources import LETTERS, Resource
from olearn_tui.screens.modals import Confirm
from olearn_tui.screens.page import Page
from olearn_tui.widgets.column import Cell, Column, Tone, words
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable

LETTER = TypeAdapter(DeadLetterResponse)
RETRIED = TypeAdapter(RetryResponse)
TONES: Mapping[str, Tone] = {
    "alert": "warn",
    "dead_letter": "bad",
    "version": "good",
    "checkpoint": "accent",
}


class Stream(Page):
    """The tail of events over the dead letters."""

    CRUMB: ClassVar[str] = "Stream"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "retry", "Retry dead letter", id="letters.retry"),
    ]

    def panels(self) -> ComposeResult:
        """Lay out the tail over the dead letters."""
        yield TablePanel("events", self._tail_table(), id="tail")
        yield TablePanel("dead letters", self._letters_table(), id="letters")

    def _tail_table(self) -> RowTable[Tailed]:
        columns: Sequence[Column[Tailed]] = (
            Column("at", 8, lambda t: t.number, lambda t: formats.clock(t.at)),
            Column("event", 11, lambda t: t.name, _event, left=True),
            words("", 20, told, grows=True),
        )
        return RowTable(
            columns,
            lambda t: str(t.number),
            data=lambda t: {"event": t.name, "data": t.data},
            sort="at",
            descending=True,
            tails=True,
        )

    def _letters_table(self) -> RowTable[DeadLetterSummary]:
        columns: Sequence[Column[DeadLetterSummary]] = (
            Column("id", 7, lambda x: x.id, lambda x: str(x.id)),
            Column(
                "at", 14, lambda x: x.created_at, lambda x: formats.date_and_clock(x.created_at)
            ),
            words("reason", 20, _reason, grows=True),
            words("partition", 18, _place, rank=2),
            Column(
                "bytes",
                8,
                lambda x: x.payload_bytes,
                lambda x: formats.count(x.payload_bytes),
                rank=3,
            ),
            Column(
                "retried", 8, lambda x: x.retried_at, lambda x: formats.clock(x.retried_at), rank=1
            ),
        )
        return RowTable(
            columns,
            lambda x: str(x.id),
            data=DeadLetterSummary.model_dump,
            sort="id",
            descending=True,
            nothing="all that came could be learned",
        )

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return (LETTERS,)

    def on_mount(self) -> None:
        """Begin at the tail."""
        self._tailed = 0
        self.query_one("#tail", TablePanel).table.focus()

    def show(self, picture: Picture) -> None:
        """Show what is known now."""
        tail = self.query_one("#tail", TablePanel)
        missed = f"{picture.missed} missed" if picture.missed else ""
        tail.note = missed if picture.streams else "no live stream from this service"
        if picture.tailed != self._tailed:
            self._tailed = picture.tailed
            tail.table.set(list(picture.tail))
        letters = self.query_one("#letters", TablePanel)
        known = picture.read(LETTERS)
        letters.note = picture.fault(LETTERS)
        if known is not None:
            letters.note = f"{known.not_retried} not retried"
        letters.table.set([] if known is None else known.letters)

    @on(RowTable.Picked, "#tail RowTable")
    def _open(self, event: RowTable.Picked) -> None:
        self.dashboard.open_details(event.row.name, event.row.data)

    @on(RowTable.Picked, "#letters RowTable")
    @work(exclusive=True)
    async def _open_letter(self, event: RowTable.Picked) -> None:
        """Show a dead letter with what is kept of its record."""
        path = f"/dead-letters/{event.row.id}"
        try:
            letter = await self.dashboard.feed.connection.get(path, LETTER)
        except LinkError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        kept = letter.model_dump(exclude={"payload_base64"})
        self.dashboard.open_details(f"dead letter {letter.id}", kept)

    @work
    async def action_retry(self) -> None:
        """Have the dead letter under the cursor learned after all."""
        row = self.query_one("#letters", TablePanel).table.current
        if not self.dashboard.may_write() or row is None:
            return
        question = f"Dead letter {row.id} ({_reason(row)}) will be learned."
        if not await self.app.push_screen_wait(Confirm(question, "retry")):
            return
        path = f"/dead-letters/{row.id}/retry"
        try:
            done = await self.dashboard.feed.connection.post(path, RetryRequest(), RETRIED)
        except LinkError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.notify(f"retried, now at offset {done.offset}", markup=False)
        self.dashboard.feed.hurry()


def told(tailed: Tailed) -> str:
    """Return an event in a line."""
    data = tailed.data
    match tailed.name:
        case "checkpoint":
            rate = data.get("success_rate")
            parts = [
                f"{data.get('partition')}",
                f"{data.get('executions')} executions",
                "" if rate is None else f"success {rate:.3f}",
                _unless_zero(data.get("duplicates"), "duplicates"),
                _unless_zero(data.get("dead_letters"), "dead letters"),
                f"offset {data.get('next_offset')}",
            ]
        case "version":
            number, samples = data.get("version_number"), data.get("training_samples")
            parts = [f"{data.get('model_type')} version {number}", f"{samples} samples"]
        case "alert":
            subject = " ".join(map(str, data.get("subject") or ()))
            parts = [
                f"{data.get('state')}",
                f"{data.get('kind')} {subject}",
                str(data.get("message")),
            ]
        case "dead_letter":
            parts = [f"{data.get('topic')}/{data.get('partition')}", str(data.get("reason"))]
        case _:
            parts = [str(data)]
    return formats.printable(" · ".join(filter(None, parts)))


def _unless_zero(value: Any, what: str) -> str:
    return f"{value} {what}" if value else ""


def _event(tailed: Tailed) -> Cell:
    return tailed.name.replace("_", " "), TONES.get(tailed.name, "")


def _reason(letter: DeadLetterSummary) -> str:
    said = f"{letter.pointer}: {letter.reason}" if letter.pointer else letter.reason
    return formats.printable(said)


def _place(letter: DeadLetterSummary) -> str:
    return f"{letter.topic}/{letter.partition}"
