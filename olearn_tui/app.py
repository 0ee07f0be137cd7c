"""The dashboard: seven screens over one feed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import Monochrome, NoColor
from textual.screen import Screen
from textual.widgets import HelpPanel

from olearn_tui.dashboard import DashboardApp
from olearn_tui.feed.feed import Feed
from olearn_tui.feed.messages import Refreshed
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import STATUS
from olearn_tui.formats import clock
from olearn_tui.profiles import Profile
from olearn_tui.screens.agent import AgentPage
from olearn_tui.screens.agents import Agents
from olearn_tui.screens.decide import Decide
from olearn_tui.screens.modals import Details
from olearn_tui.screens.models import Models
from olearn_tui.screens.overview import Overview
from olearn_tui.screens.page import Page
from olearn_tui.screens.plugins import Plugins
from olearn_tui.screens.stream import Stream
from olearn_tui.screens.workers import Workers
from olearn_tui.themes import PRODUCTION
from olearn_tui.widgets.table import RowTable
from olearn_tui.widgets.top_line import SCREENS

DEFAULT_THEME = "tokyo-night"
PLAIN_THEME = "textual-dark"


class Dashboard(DashboardApp):
    """
    Shows one service.

    :param feed: where the numbers come from
    :param allow_writes: whether anything may be changed
    :param first: which screen to begin with
    """

    TITLE = "olearn"
    CSS_PATH = "dashboard.tcss"
    MODES: ClassVar[Mapping[str, Callable[[], Screen[Any]]]] = {  # type: ignore[assignment]
        "overview": Overview,
        "agents": Agents,
        "decide": Decide,
        "models": Models,
        "stream": Stream,
        "plugins": Plugins,
        "workers": Workers,
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"go('{mode}')", name, id=f"screen.{mode}", show=False)
            for number, (mode, name) in enumerate(SCREENS.items(), start=1)
        ),
        Binding("space", "hold", "Hold", id="hold"),
        Binding("f", "alone", "Alone", id="alone"),
        Binding("e", "export('csv')", "Export", id="export.csv"),
        Binding("E", "export('json')", "Export JSON", id="export.json", show=False),
        Binding("y", "copy", "Copy", id="copy"),
        Binding("r", "reload", "Read again", id="reload", show=False),
        Binding("question_mark", "help", "Help", id="help", key_display="?"),
        Binding("colon", "command_palette", "Palette", id="palette.colon", show=False),
        Binding("q", "quit", "Quit", id="quit"),
    ]

    def __init__(
        self,
        profile: Profile,
        feed: Feed,
        *,
        allow_writes: bool = False,
        first: str = "overview",
    ) -> None:
        super().__init__()
        if self.no_color:  # Textual's own way is greys, and they are colours, too
            kept = [one for one in self._filters if not isinstance(one, Monochrome)]
            self._filters = [*kept, NoColor()]
        self._first = first
        self.profile = profile
        self.feed = feed
        self.allow_writes = allow_writes
        self.picture: Picture = feed.picture
        self.is_held = False
        self.register_theme(PRODUCTION)
        self.theme = PRODUCTION.name if profile.production else profile.theme or DEFAULT_THEME
        self.set_keymap(dict(profile.keys))

    async def on_mount(self) -> None:
        """Begin to read."""
        self.feed.changed = self._changed
        await self.switch_mode(self._first)
        self.run_worker(self.feed.run(), name="feed", exit_on_error=True)

    def _changed(self) -> None:
        self.post_message(Refreshed())

    def on_refreshed(self) -> None:
        """Show what is known now, unless it is held."""
        top = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(top, Page):
            top.refresh_from(self.picture)

    def state(self) -> list[str]:
        """Return how the service does, what matters most first."""
        status = self.feed.picture.read(STATUS)
        live = self.feed.picture.link.state == "live"
        parts = [
            "HELD" if self.is_held else "",
            "writes allowed" if self.allow_writes else "read-only",
            (status.status if live else "was " + status.status) if status else "",
            clock(self.feed.picture.link.heard_at),
            "stream" if self.feed.picture.streams else "polling" if live else "",
        ]
        return list(filter(None, parts))

    async def action_go(self, mode: str) -> None:
        """Go to a screen."""
        if isinstance(self.screen, Details):
            self.pop_screen()
        if self.current_mode != mode:
            await self.switch_mode(mode)
        while len(self.screen_stack) > 1:
            await self.pop_screen()

    def go_back(self) -> None:
        """Leave a screen for the one before; at the first there is none."""
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def open_agent(self, name: str) -> None:
        """Show all that is known of an agent."""
        self.push_screen(AgentPage(name))

    def open_details(self, title: str, data: Any) -> None:
        """Show all of a row."""
        self.push_screen(Details(title, data))

    def may_write(self) -> bool:
        """Return whether anything may be changed; say so where it may not."""
        if not self.allow_writes:
            said = "this dashboard only reads: start it with --allow-writes"
            self.notify(said, severity="warning")
        return self.allow_writes

    def action_hold(self) -> None:
        """Let the picture stand still, or go on."""
        self.is_held = not self.is_held
        self.picture = self.feed.picture.held() if self.is_held else self.feed.picture
        self.on_refreshed()

    def action_reload(self) -> None:
        """Read everything at once."""
        self.feed.hurry()

    def action_alone(self) -> None:
        """Show one panel alone, or all again."""
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif screen.focused is not None:
            screen.maximize(screen.focused)

    def action_help(self) -> None:
        """Show the keys of the focused panel, or hide them."""
        if self.screen.query(HelpPanel):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def action_export(self, kind: str) -> None:
        """Write the focused table to a file, as it is sorted and filtered."""
        table = self._focused_table()
        if table is None:
            return
        name = (table.parent.id if table.parent is not None else None) or "rows"
        self.deliver_text(
            io.StringIO(exported(table, kind)),
            save_filename=f"olearn-{name}.{kind}",
            open_method="download",
        )

    def action_copy(self) -> None:
        """Put the row under the cursor, as JSON, where the terminal pastes from."""
        table = self._focused_table()
        if table is not None and table.current is not None:
            self.copy_to_clipboard(json.dumps(table.data(table.current), default=str))
            self.notify("the row is copied as JSON")

    def _focused_table(self) -> RowTable[Any] | None:
        if isinstance(self.focused, RowTable):
            return self.focused
        self.notify("go to a table first, by tab or the mouse", severity="warning")
        return None

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return every action for the palette, with its key."""
        yield from super().get_system_commands(screen)
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.description and binding.id:
                title = f"{binding.description} ({self.get_key_display(binding)})"
                action = binding.action
                yield SystemCommand(
                    title, active.tooltip or binding.id, self._does(action, active.node)
                )

    def _does(self, action: str, node: Any) -> Callable[[], Any]:
        async def do() -> None:
            await self.run_action(action, default_namespace=node)

        return do


def exported(table: RowTable[Any], kind: str) -> str:
    """Return a table as CSV, or its rows in full as JSON."""
    if kind == "json":
        return json.dumps([table.data(row) for row in table.rows], indent=2, default=str)
    titles, rows = table.table()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(titles)
    writer.writerows(rows)
    return out.getvalue()
