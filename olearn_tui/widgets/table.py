"""A table that draws only the rows in sight, however many there are and change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from olearn_tui.filtering import matches
from olearn_tui.widgets.column import Column, fitting

RowT = TypeVar("RowT")


class RowTable(ScrollView, Generic[RowT], can_focus=True):
    """
    Rows of any kind in columns; sorted, filtered, with a cursor that follows its row.

    :param key: what identifies a row
    :param data: what `y` copies and exports hold
    :param tails: new rows come first, and a cursor on the first row stays there
    :param nothing: what to say where there are no rows
    """

    HELP = """\
### Table
`enter` looks closer, `/` filters (words in any order, letters may be apart, `!word` excludes),
`s` sorts by the next column and `S` the other way round, `e` and `E` export, `y` copies the row.
A click on a title sorts by it.
"""
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows--cursor",
        "rows--resting",
        "rows--title",
        "rows--good",
        "rows--warn",
        "rows--bad",
        "rows--muted",
        "rows--accent",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "pick", "Open", id="table.open", show=False),
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("g,home", "move(-10000000)", "Top", id="table.top", show=False),
        Binding("G,end", "move(10000000)", "Bottom", id="table.bottom", show=False),
        Binding("s", "sort_next", "Sort", id="table.sort"),
        Binding("S", "sort_reverse", "Reverse", id="table.reverse", show=False),
    ]

    class OfRow(Message):
        """Something about a row."""

        def __init__(self, table: RowTable[Any], row: Any) -> None:
            super().__init__()
            self.table = table
            self.row = row

        @property
        def control(self) -> RowTable[Any]:
            """The table it is of."""
            return self.table

    class Picked(OfRow):
        """A row was chosen by enter or a double click."""

    class Moved(OfRow):
        """The cursor stands on another row."""

    class Arranged(Message):
        """Rows are sorted or filtered another way, or there are more or fewer."""

        def __init__(self, table: RowTable[Any]) -> None:
            super().__init__()
            self.table = table

    def __init__(
        self,
        columns: Sequence[Column[RowT]],
        key: Callable[[RowT], str],
        *,
        data: Callable[[RowT], Any],
        sort: str = "",
        descending: bool = False,
        tails: bool = False,
        nothing: str = "nothing here yet",
        id: str | None = None,  # noqa: A002 - Textual's word
    ) -> None:
        super().__init__(id=id)
        self.tails = tails
        self.nothing = nothing
        self.columns = columns
        self.key = key
        self.data = data
        self.sorted_by = sort
        self.descending = descending
        self.pattern = ""
        self.every: Sequence[RowT] = ()
        self.rows: list[RowT] = []
        self.cursor = 0

    @property
    def _width(self) -> int:
        """What the scrollbar leaves over."""
        return self.scrollable_content_region.width

    @property
    def current(self) -> RowT | None:
        """The row under the cursor, None where there is none."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def set(self, rows: Sequence[RowT]) -> None:
        """Show these rows; the same ones once more cost nothing."""
        if rows is self.every:
            self.post_message(self.Arranged(self))
            return
        self.every = rows
        self._arrange()

    def filter(self, pattern: str) -> None:
        """Show only the rows that match."""
        self.pattern = pattern
        self._arrange()

    def sort_by(self, title: str, *, descending: bool | None = None) -> None:
        """Sort by a column; again by the same one: the other way round."""
        again = title == self.sorted_by
        self.descending = (again and not self.descending) if descending is None else descending
        self.sorted_by = title
        self._arrange()

    def _arrange(self) -> None:
        followed = self.current
        rows = [row for row in self.every if not self.pattern or self._matches(row)]
        by = next((c for c in self.columns if c.title == self.sorted_by), None)
        if by is not None:
            known = [row for row in rows if by.value(row) is not None]
            known.sort(key=by.value, reverse=self.descending)
            rows = known + [row for row in rows if by.value(row) is None]
        self.rows = rows
        before = self.cursor
        if followed is not None and not (self.tails and before == 0):
            self._follow(followed)
        size = Size(self._width, len(rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if self.tails and self.cursor != before:  # what is looked at stays where it is seen
            self.scroll_to(y=self.scroll_offset.y + self.cursor - before, animate=False)
        self.refresh()
        self.post_message(self.Arranged(self))

    def _follow(self, row: RowT) -> None:
        """Put the cursor where a row is now; where it is gone, leave it as near as may be."""
        wanted = self.key(row)
        places = (place for place, one in enumerate(self.rows) if self.key(one) == wanted)
        self.cursor = next(places, min(self.cursor, max(0, len(self.rows) - 1)))

    def _matches(self, row: RowT) -> bool:
        return matches(self.pattern, " ".join(str(c.value(row)) for c in self.columns if c.left))

    def render_line(self, y: int) -> Strip:
        """Return the titles, or a row."""
        fitted = fitting(self.columns, self._width)
        if y == 0:
            return self._titles(fitted)
        place = y - 1 + self.scroll_offset.y
        is_chosen = place == self.cursor and self.has_focus
        plain = self.rich_style
        if place == 0 and not self.rows:
            said = "nothing matches the filter" if self.every else self.nothing
            return Strip([Segment(f" {said}", self._styled("muted"))]).adjust_cell_length(
                self._width, plain
            )
        if place >= len(self.rows):
            return Strip.blank(self._width, plain)
        if place == self.cursor:
            plain = self._styled("cursor" if self.has_focus else "resting")
        segments = [Segment(" ", plain)]
        for column, width in fitted:
            cell = column.cell(self.rows[place])
            text, tone = (cell, "") if isinstance(cell, str) else cell
            style = self._styled(tone) if tone and not is_chosen else plain
            segments += [Segment(column.fitted(text, width), style), Segment("  ", plain)]
        return Strip(segments).adjust_cell_length(self._width, plain)

    def _styled(self, part: str) -> Style:
        return self.get_component_rich_style(f"rows--{part}")

    def _titles(self, fitted: Sequence[tuple[Column[RowT], int]]) -> Strip:
        style = self._styled("title")
        segments = [Segment(" ", style)]
        for column, width in fitted:
            title = column.title
            if title and title == self.sorted_by:
                title += "▼" if self.descending else "▲"
            segments += [Segment(column.fitted(title, width), style), Segment("  ", style)]
        return Strip(segments).adjust_cell_length(self._width, style)

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        if not self.rows:
            return
        self.cursor = max(0, min(len(self.rows) - 1, self.cursor + rows))
        self._show_cursor()
        self.refresh()
        self.post_message(self.Moved(self, self.current))

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is in sight."""
        self.action_move(pages * max(1, self.size.height - 2))

    def _show_cursor(self) -> None:
        top, height = self.scroll_offset.y, self.size.height - 1
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)

    def action_pick(self) -> None:
        """Choose the row under the cursor."""
        if self.current is not None:
            self.post_message(self.Picked(self, self.current))

    def action_sort_next(self) -> None:
        """Sort by the next column in sight."""
        titles = [column.title for column, _ in fitting(self.columns, self._width)]
        place = titles.index(self.sorted_by) if self.sorted_by in titles else -1
        self.sort_by(titles[(place + 1) % len(titles)], descending=self.descending)

    def action_sort_reverse(self) -> None:
        """Sort the other way round."""
        self.sort_by(self.sorted_by or self.columns[0].title, descending=not self.descending)

    def on_click(self, event: events.Click) -> None:
        """Sort by the title, or go to the row, that was clicked."""
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y == 0:
            self._sort_at(place.x)
            return
        row = place.y - 1 + self.scroll_offset.y
        if row < len(self.rows):
            self.action_move(row - self.cursor)
            if event.chain == 2:
                self.action_pick()

    def _sort_at(self, x: int) -> None:
        start = 1
        for column, width in fitting(self.columns, self._width):
            if start <= x < start + width + 2:
                self.sort_by(column.title)
            start += width + 2

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.virtual_size = Size(self._width, len(self.rows) + 1)
        self._show_cursor()

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return titles and values of the rows as they are sorted and filtered."""
        titles = [column.title for column in self.columns]
        return titles, [[column.value(row) for column in self.columns] for row in self.rows]
