"""6: what is loaded, and what is configured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from olearn_core.schemas import PluginBody, SettingBody
from olearn_tui import formats
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import CONFIGURATION, PLUGINS, Resource
from olearn_tui.screens.page import Page
from olearn_tui.widgets.column import Cell, Column, words
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable


class Plugins(Page):
    """Plugins over the effective configuration."""

    CRUMB: ClassVar[str] = "Plugins & configuration"

    def panels(self) -> ComposeResult:
        """Lay out the tables."""
        yield TablePanel("plugins", self._plugins_table(), id="plugins")
        yield TablePanel("configuration", self._settings_table(), id="settings")

    def _plugins_table(self) -> RowTable[PluginBody]:
        columns: Sequence[Column[PluginBody]] = (
            words("plugin", 16, lambda p: p.name, names=True),
            Column("state", 7, lambda p: p.problem is not None, _state, left=True),
            words("from", 18, _from, rank=1),
            words("models", 24, _models, grows=True),
            words("hooks", 22, _hooks, grows=True, rank=3),
            Column(
                "what is wrong",
                14,
                lambda p: p.problem or "",
                lambda p: (formats.printable(p.problem or ""), "bad"),
                left=True,
                grows=True,
                rank=2,
            ),
        )
        return RowTable(columns, lambda p: p.name, data=PluginBody.model_dump)

    def _settings_table(self) -> RowTable[SettingBody]:
        columns: Sequence[Column[SettingBody]] = (
            words("key", 28, lambda s: s.key, grows=True),
            words("value", 20, _value, grows=True),
            Column("origin", 12, lambda s: s.origin, _origin, left=True),
            words("variable", 20, lambda s: s.variable or "", rank=1),
        )
        return RowTable(columns, lambda s: s.key, data=SettingBody.model_dump)

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return PLUGINS, CONFIGURATION

    def on_mount(self) -> None:
        """Begin at the plugins."""
        self.query_one("#plugins", TablePanel).table.focus()

    def show(self, picture: Picture) -> None:
        """Show what is known now."""
        plugins, settings = picture.read(PLUGINS), picture.read(CONFIGURATION)
        panel = self.query_one("#plugins", TablePanel)
        panel.note = picture.fault(PLUGINS)
        panel.table.set([] if plugins is None else plugins.plugins)
        panel = self.query_one("#settings", TablePanel)
        panel.note = picture.fault(CONFIGURATION)
        if settings is not None:
            panel.note = settings.file or "no file"
        panel.table.set([] if settings is None else settings.settings)

    @on(RowTable.Picked)
    def _open(self, event: RowTable.Picked) -> None:
        name = event.row.name if isinstance(event.row, PluginBody) else event.row.key
        self.dashboard.open_details(name, event.row.model_dump())


def _state(plugin: PluginBody) -> Cell:
    return ("loaded", "good") if plugin.problem is None else ("failed", "bad")


def _from(plugin: PluginBody) -> str:
    return formats.printable(f"{plugin.distribution} {plugin.version}")


def _models(plugin: PluginBody) -> str:
    return ", ".join(plugin.models)


def _hooks(plugin: PluginBody) -> str:
    return ", ".join(hook.removeprefix("olearn_") for hook in plugin.hooks)


def _value(setting: SettingBody) -> str:
    return formats.printable(json.dumps(setting.value, ensure_ascii=False))


def _origin(setting: SettingBody) -> Cell:
    return setting.origin, "muted" if setting.origin == "default" else "accent"
