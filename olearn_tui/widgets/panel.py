"""A framed table with a line to filter it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from olearn_tui.widgets.table import RowTable


class TablePanel(Vertical):
    """
    Holds one table; its border says how many rows there are and how they are arranged.

    :param title: what the rows are
    """

    ALLOW_MAXIMIZE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="table.filter", key_display="/"),
    ]

    def __init__(self, title: str, table: RowTable[Any], *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id, classes="panel")
        self.border_title = title
        self._title = title
        self.table = table
        self._note = ""

    def compose(self) -> ComposeResult:
        """Lay out the table over its filter."""
        yield self.table
        line = Input(placeholder="filter: words, !not", classes="filter", compact=True)
        line.display = False
        yield line

    @property
    def line(self) -> Input:
        """The filter's line."""
        return self.query_one(".filter", Input)

    def action_filter(self) -> None:
        """Type a filter."""
        self.line.display = True
        self.screen.set_focus(self.line)  # at once: what is typed ahead is meant for it

    def clear_filter(self) -> bool:
        """Forget the filter; return whether there was one."""
        had = self.line.display or bool(self.table.pattern)
        self.line.value = ""
        self.line.display = False
        self.table.filter("")
        if had:
            self.table.focus()
        return had

    @on(Input.Changed, ".filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.filter(event.value)

    @on(Input.Submitted, ".filter")
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.line.display = bool(event.value)
        self.table.focus()

    @property
    def title(self) -> str:
        """What the rows are."""
        return self._title

    @title.setter
    def title(self, title: str) -> None:
        if title != self._title:
            self._title = title
            self.on_row_table_arranged()

    @property
    def note(self) -> str:
        """What the border says beside the number of rows."""
        return self._note

    @note.setter
    def note(self, note: str) -> None:
        if note != self._note:
            self._note = note
            self.on_row_table_arranged()

    def on_row_table_arranged(self) -> None:
        """Say how the rows are arranged."""
        table = self.table
        shown, every = len(table.rows), len(table.every)
        counted = str(shown) if shown == every else f"{shown} of {every}"
        parts = [counted, f"filter {table.pattern}" if table.pattern else "", self._note]
        title = " · ".join([self._title, *filter(None, parts)])
        if title != self.border_title:
            self.border_title = title
