"""What all screens have: the first line, the banner, the keys; and when they show what."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Input, Static

from olearn_tui.dashboard import DashboardApp
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import Resource
from olearn_tui.widgets.banner import Banner
from olearn_tui.widgets.key_line import KeyLine
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable
from olearn_tui.widgets.top_line import TopLine


class Page(Screen[None]):
    """A screen that shows a part of the picture."""

    CRUMB: ClassVar[str] = ""
    HELP: ClassVar[str | None] = """\
### olearn dashboard
`1` … `7` go to the screens, `esc` goes back, `tab` to the next panel, `f` shows one panel alone,
`space` holds the picture, `ctrl+p` finds every action, `q` quits.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="back", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - its type is Textual's
        (0, "-tiny"),
        (60, "-narrow"),
        (110, "-normal"),
        (170, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012 - as above
        (0, "-flat"),
        (16, "-low"),
        (34, "-medium"),
        (50, "-high"),
    ]

    _fitted = Size(0, 0)
    _styled = ""

    @property
    def dashboard(self) -> DashboardApp:
        """The application."""
        return cast("DashboardApp", self.app)

    def compose(self) -> ComposeResult:
        """Lay out the panels between the first line and the keys."""
        yield TopLine()
        yield Banner()
        with Container(id="body"):
            yield from self.panels()
        yield Static("", id="too-small", markup=False)
        yield KeyLine()

    @abstractmethod
    def panels(self) -> ComposeResult:
        """Return the panels."""

    @abstractmethod
    def show(self, picture: Picture) -> None:
        """Show what is known now."""

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return ()

    def crumbs(self) -> list[str]:
        """Return where one is."""
        return [self.CRUMB]

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Have read what is shown, and show what is known already."""
        # Styling every widget again is felt, and only another theme makes a difference.
        event.refresh_styles = self.app.theme != self._styled
        self._styled = self.app.theme
        self.dashboard.feed.want(self.wants())
        self.refresh_from(self.dashboard.picture)

    def refresh_from(self, picture: Picture) -> None:
        """Show the picture and how the connection is; nothing while the screen comes or goes."""
        is_there = self.is_mounted and self.is_attached and not self._pruning
        if not is_there or not self.query(TopLine):
            return
        dashboard = self.dashboard
        self.query_one(TopLine).set(
            dashboard.profile.name, dashboard.current_mode, self.crumbs(), dashboard.state()
        )
        self.query_one(Banner).set(
            dashboard.feed.picture, dashboard.profile.url, dashboard.feed.clock()
        )
        self.show(picture)

    def on_resize(self) -> None:
        """Say where the terminal is too small."""
        size = self.app.size
        if size == self._fitted:
            return
        self._fitted = size
        said = f"The terminal is too small: {size.width} by {size.height}.\nIt takes 60 by 16."
        self.query_one("#too-small", Static).update(said)
        # What is shown depends on the size, and is decided behind this layout.
        self.call_after_refresh(self.refresh, layout=True)

    def action_back(self) -> None:
        """Undo the last thing that is still there: a panel alone, a filter, a screen."""
        if self.maximized is not None:
            self.minimize()
            return
        focused = self.focused
        if isinstance(focused, Input) and not focused.has_class("filter"):
            self.query(RowTable).first().focus()
            return
        around = [] if focused is None else focused.ancestors
        if any(node.clear_filter() for node in around if isinstance(node, TablePanel)):
            return
        self.dashboard.go_back()
