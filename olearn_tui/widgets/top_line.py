"""The first line: which screens there are, where one is, and how the service does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

SCREENS: Mapping[str, str] = {
    "overview": "Overview",
    "agents": "Agents",
    "decide": "Decide",
    "models": "Models",
    "stream": "Stream",
    "plugins": "Plugins",
    "workers": "Workers",
}
LEAST_PARTS = 3  # of the state, which go before the other screens' names


class TopLine(Widget):
    """
    Tabs at the left, the state at the right.

    The tab of the screen that is shown has its crumbs; where there is little room,
    others are their number alone. A click goes there.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"top--here", "top--key", "top--state"}

    def __init__(self) -> None:
        super().__init__(id="top")
        self.service = ""
        self.here = ""
        self.crumbs: Sequence[str] = ()
        self.state: Sequence[str] = ()

    def set(self, service: str, here: str, crumbs: Sequence[str], state: Sequence[str]) -> None:
        """
        Show where one is and how the service does.

        :param here: which of `SCREENS`
        :param state: what matters most first
        """
        shown = (service, here, crumbs, state)
        if shown != (self.service, self.here, self.crumbs, self.state):
            self.service, self.here, self.crumbs, self.state = shown
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return the line; names go first where there is too little room, then the state."""
        width, style = self.size.width, self.rich_style
        left = self._left(named=True)
        if _cells(left) + len(self._state(LEAST_PARTS)) + 2 > width:
            left = self._left(named=False)
        room = width - _cells(left) - 1
        fitting = (self._state(parts) for parts in range(len(self.state), 0, -1))
        state = next((text for text in fitting if len(text) < room), "").rjust(room)
        segments = [*left, Segment(state, self.get_component_rich_style("top--state"))]
        return Strip(segments).adjust_cell_length(width, style)

    def _state(self, parts: int) -> str:
        return " · ".join(self.state[:parts])

    def _left(self, *, named: bool) -> list[Segment]:
        style, key = self.rich_style, self.get_component_rich_style("top--key")
        segments = [Segment(f" ◆ {self.service} ", style)]
        for number, (mode, name) in enumerate(SCREENS.items(), start=1):
            to = Style.from_meta({"@click": f"app.go('{mode}')"})
            if mode == self.here:
                here = self.get_component_rich_style("top--here") + to
                segments.append(Segment(f" {number} {' > '.join(self.crumbs)} ", here))
                continue
            segments.append(Segment(f" {number}", key + to))
            segments.append(Segment(f" {name} " if named else " ", style + to))
        return segments


def _cells(segments: Sequence[Segment]) -> int:
    return sum(segment.cell_length for segment in segments)
