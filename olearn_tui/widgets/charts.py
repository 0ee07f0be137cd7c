"""The charts as widgets: each takes numbers and draws them when shown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual.color import Color
from textual.geometry import Size

from olearn_tui.charts import areas, tiles
from olearn_tui.charts.areas import draw_area
from olearn_tui.charts.grid import Grid
from olearn_tui.charts.lines import Line, draw_lines
from olearn_tui.charts.posteriors import Belief, draw_posteriors
from olearn_tui.charts.samples import Series, series
from olearn_tui.charts.signed import Signed, draw_signed
from olearn_tui.charts.tiles import Tile, draw_tiles
from olearn_tui.colours import gradient
from olearn_tui.widgets.drawing import Drawing


class LineChart(Drawing):
    """Several series over time, names at their ends."""

    def __init__(
        self,
        title: str,
        *,
        id: str | None = None,  # noqa: A002 - Textual's word
        shares: bool = False,
        threshold: float | None = None,
        span_seconds: float | None = None,
    ) -> None:
        super().__init__(title, id=id)
        self.lines: Sequence[Line] = ()
        self.shares = shares
        self.threshold = threshold
        self.span_seconds = span_seconds

    def set(self, lines: Sequence[Line]) -> None:
        """Show these; the last is drawn on top."""
        self.lines = lines
        self.redraw()

    def draw(self, width: int, height: int) -> Grid:
        """Draw the lines."""
        return draw_lines(
            self.lines,
            width,
            height,
            shares=self.shares,
            threshold=self.threshold,
            span_seconds=self.span_seconds,
        )


class AreaChart(Drawing):
    """One series over time, filled."""

    def __init__(
        self,
        title: str,
        *,
        id: str | None = None,  # noqa: A002 - Textual's word
        span_seconds: float | None = None,
    ) -> None:
        super().__init__(title, id=id)
        self.times: Series = series([])
        self.values: Series = series([])
        self.span_seconds = span_seconds

    def set(self, times: Series, values: Series, newest: str = "") -> None:
        """
        Show a series.

        :param newest: its newest value with its unit, for the border
        """
        self.times, self.values = times, values
        self.border_subtitle = newest
        self.redraw()

    def draw(self, width: int, height: int) -> Grid:
        """Draw the area."""
        return draw_area(self.times, self.values, width, height, span_seconds=self.span_seconds)

    def inks(self) -> list[Color]:
        """Return colours that rise with the height."""
        return gradient(self.app.current_theme, areas.STEPS)


class PosteriorChart(Drawing):
    """What is believed of shares; the first is filled."""

    beliefs: Sequence[Belief] = ()

    def set(self, beliefs: Sequence[Belief]) -> None:
        """Show these beliefs."""
        self.beliefs = beliefs
        self.redraw()

    def draw(self, width: int, height: int) -> Grid:
        """Draw the densities."""
        return draw_posteriors(list(self.beliefs), width, height)


class SignedBars(Drawing):
    """Signed numbers to the left and right of zero."""

    bars: Sequence[Signed] = ()

    def set(self, bars: Sequence[Signed]) -> None:
        """Show these numbers."""
        self.bars = bars
        self.redraw()

    def draw(self, width: int, height: int) -> Grid:
        """Draw the bars."""
        return draw_signed(list(self.bars), width, height)

    def inks(self) -> list[Color]:
        """Return the colours for and against."""
        colours = gradient(self.app.current_theme, 2)
        return [colours[0], colours[1]]


class HeatStrip(Drawing):
    """Named shares as coloured tiles."""

    tiles: Sequence[Tile] = ()

    def set(self, shown: Sequence[Tile]) -> None:
        """Show these tiles."""
        grown = len(shown) != len(self.tiles)
        self.tiles = shown
        self.redraw()
        self._count()
        if grown:
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many rows all tiles take; Textual asks where the height is `auto`."""
        return tiles.rows(list(self.tiles), width)

    def on_resize(self) -> None:
        """Say how many tiles are in sight."""
        self._count()

    def _count(self) -> None:
        room = tiles.seen(list(self.tiles), self.size.width, self.size.height)
        cut = room < len(self.tiles)
        self.border_subtitle = f"{room} of {len(self.tiles)}" if cut else ""

    def draw(self, width: int, height: int) -> Grid:
        """Draw the tiles."""
        return draw_tiles(list(self.tiles), width, height)

    def inks(self) -> list[Color]:
        """Return colours from bad to good."""
        return gradient(self.app.current_theme, tiles.STEPS, heat=True)

    def style_of(self, ink: Color) -> Style:
        """Return a tile's colour with text that can be read on it."""
        return Style(color=ink.get_contrast_text(1.0).rich_color, bgcolor=ink.rich_color)
