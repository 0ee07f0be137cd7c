"""A number in big digits, its unit, and how it went lately."""

from __future__ import annotations

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.renderables.digits import Digits as DigitsRenderable

from olearn_tui.charts.braille import area_dots, packed
from olearn_tui.charts.grid import Grid
from olearn_tui.charts.samples import Series, peaks, series
from olearn_tui.formats import NOTHING
from olearn_tui.widgets.drawing import Drawing

TREND_SECONDS = 120
CALM, WARN, BAD, TREND = 0, 1, 2, 3


class Figure(Drawing):
    """
    One number: in big digits where there is room, else on a line.

    :param warn: from here on it is a warning …
    :param bad: … and from here on bad; None for never. Where `bad` is below `warn`, low is bad
    """

    HELP = "A figure with its trend of the last two minutes."

    def __init__(
        self,
        title: str,
        unit: str = "",
        *,
        id: str | None = None,  # noqa: A002 - Textual's word
        warn: float | None = None,
        bad: float | None = None,
    ) -> None:
        super().__init__(title, id=id)
        self.unit = unit
        self.shown = NOTHING
        self.level = CALM
        self._limits = (warn, bad)
        self._times: Series = series([])
        self._values: Series = series([])

    def set(self, shown: str, value: float | None, times: Series, values: Series) -> None:
        """
        Show a number.

        :param shown: the number as text, without its unit
        """
        self.shown = shown
        self.level = self._level(value)
        self._times, self._values = times, values
        self.set_class(self.level == BAD, "bad")
        self.redraw()

    def _level(self, value: float | None) -> int:
        warn, bad = self._limits
        if value is None or warn is None or bad is None:
            return CALM
        sign = 1 if bad >= warn else -1
        if sign * value >= sign * bad:
            return BAD
        return WARN if sign * value >= sign * warn else CALM

    def draw(self, width: int, height: int) -> Grid:
        """Draw the digits, the unit and the trend."""
        grid = Grid(width, height)
        if height < 3 or DigitsRenderable.get_width(self.shown) + len(self.unit) + 2 > width:
            text = f"{self.shown} {self.unit}"
            grid.write(0, 0, text, self.level)
            return self._trend(grid, 1, 0) if height > 1 else self._trend(grid, 0, len(text) + 1)
        for y, row in enumerate(_digits(self.shown)):
            grid.write(0, y, row, self.level)
        end = DigitsRenderable.get_width(self.shown)
        grid.write(end + 1, 2, self.unit)
        return self._trend(grid, 3, 0) if height > 3 else grid

    def _trend(self, grid: Grid, y: int, x: int) -> Grid:
        rows, width = grid.height - y, grid.width - x
        if width < 4 or rows < 1 or not np.isfinite(self._values).any():
            return grid
        end = float(self._times[-1])
        seen = peaks(self._times, self._values, end - TREND_SECONDS, end, width * 2)
        low, high = float(np.nanmin(seen)), float(np.nanmax(seen))
        reach = (high - low) or 1.0
        levels = np.where(np.isnan(seen), 0.0, 0.15 + 0.85 * (seen - low) / reach)
        layer = Grid(width, rows)
        layer.text = packed(area_dots(levels, rows * 4))
        layer.ink[:] = TREND
        return grid.paste(layer, x, y)

    def inks(self) -> list[Color]:
        """Return the colours of the levels and of the trend."""
        variables = self.app.theme_variables
        theme = self.app.current_theme
        calm = Color.parse(theme.primary)
        named = [Color.parse(variables[name]) for name in ("warning", "error")]
        return [self._readable(ink) for ink in (calm, *named)] + [calm.blend(self.colors[2], 0.35)]

    def _readable(self, ink: Color) -> Color:
        """Return a colour made lighter or darker until it can be read."""
        background = self.colors[2]
        away = Color.parse("#ffffff" if background.brightness < 0.5 else "#000000")
        return ink.blend(away, 0.25)

    def style_of(self, ink: Color) -> Style:
        """Return big digits in bold."""
        return Style(color=ink.rich_color, bold=True)


def _digits(text: str) -> list[str]:
    """Return a number as three rows of line-drawing characters."""
    rendered = DigitsRenderable(text).render(Style(bold=True))
    return "".join(part.text for part in rendered if isinstance(part, Segment)).split("\n")[:3]
