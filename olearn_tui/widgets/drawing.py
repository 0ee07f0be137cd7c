"""A panel that shows a grid of inked cells."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip
from textual.widget import Widget

from olearn_tui.charts.grid import BLANK, MUTED, Grid
from olearn_tui.colours import series_colours


class Drawing(Widget, can_focus=True):
    """Draws anew only when its data, its size or the theme changed."""

    ALLOW_MAXIMIZE = True
    HELP = "A drawing: `f` shows it alone, `tab` goes on to the next panel."

    def __init__(self, title: str, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id, classes="panel")
        self.border_title = title
        self._drawn: tuple[object, Grid, Mapping[int, Style]] | None = None

    @abstractmethod
    def draw(self, width: int, height: int) -> Grid:
        """Return what to show in so many cells."""

    def inks(self) -> list[Color]:
        """Return the colours by ink."""
        return list(series_colours(dark=self.app.current_theme.dark))

    def redraw(self) -> None:
        """Draw anew: the data has changed."""
        self._drawn = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a row as the terminal shall show it."""
        grid, styles = self._current()
        if y >= grid.height:
            return Strip.blank(self.size.width, self.rich_style)
        segments = [Segment(text, styles[ink]) for text, ink in grid.runs(y)]
        return Strip(segments, grid.width)

    def _current(self) -> tuple[Grid, Mapping[int, Style]]:
        background = self.rich_style.bgcolor
        asked = (self.size, self.app.theme, background)
        if self._drawn is None or self._drawn[0] != asked:
            grid = self.draw(self.size.width, self.size.height)
            self._drawn = (asked, grid, self._styles())
        return self._drawn[1], self._drawn[2]

    def _styles(self) -> Mapping[int, Style]:
        plain = self.rich_style
        muted = plain + Style(color=self._muted().rich_color)
        coloured = {place: plain + self.style_of(ink) for place, ink in enumerate(self.inks())}
        return {BLANK: plain, MUTED: muted, **coloured}

    def style_of(self, ink: Color) -> Style:
        """Return how an ink is shown: as the colour of the characters."""
        return Style(color=ink.rich_color)

    def _muted(self) -> Color:
        _, _, background, foreground = self.colors
        return background.blend(foreground, 0.6)
