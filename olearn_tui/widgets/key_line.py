"""The last line: the keys of what has the focus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from rich.segment import Segment
from textual import events
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


class Key(NamedTuple):
    """A key as it is pressed, as it is shown, and what it does."""

    key: str
    shown: str
    does: str

    @property
    def cells(self) -> int:
        """How much of the line it takes."""
        return len(self.shown) + len(self.does) + 3


class KeyLine(Widget):
    """
    Keys and what they do, as many as there is room for. A click presses one.

    Textual's own footer is a widget a key, made anew whenever the focus moves.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key"}

    def __init__(self) -> None:
        super().__init__(id="keys")
        self.keys: Sequence[Key] = ()

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._follow)
        self.call_after_refresh(self._follow, self.screen)

    def _follow(self, screen: Screen[Any]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        shown: dict[str, Key] = {}  # an action with several keys is shown once
        for active in screen.active_bindings.values():
            key = active.binding
            if key.show and active.enabled:
                display = self.app.get_key_display(key)
                shown.setdefault(key.action, Key(key.key, display, key.description))
        keys = list(shown.values())
        if keys != self.keys:
            self.keys = keys
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return the line."""
        style, strong = self.rich_style, self.get_component_rich_style("keys--key")
        segments, room = [], self.size.width
        for key in self.keys:
            room -= key.cells
            if room < 0:
                break
            segments += [Segment(f" {key.shown}", strong), Segment(f" {key.does} ", style)]
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        end = 0
        for key in self.keys:
            end += key.cells
            if event.x < end <= self.size.width:
                self.app.simulate_key(key.key)
                return
