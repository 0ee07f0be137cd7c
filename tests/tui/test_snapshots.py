"""A dozen pictures: three sizes, dark, light and red."""

from __future__ import annotations

import pytest

from tests.tui.fake_service import FakeService
from tests.tui.snapshots import drawn, snap_compare

SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)
DARK, LIGHT, RED = "tokyo-night", "textual-light", "production"
PICTURES = {
    "overview-small-dark": ("overview", SMALL, DARK, ()),
    "overview-middle-dark": ("overview", MIDDLE, DARK, ()),
    "overview-middle-light": ("overview", MIDDLE, LIGHT, ()),
    "overview-large-dark": ("overview", LARGE, DARK, ()),
    "agents-large-light": ("agents", LARGE, LIGHT, ()),
    "agent-middle-dark": ("agents", MIDDLE, DARK, ("down", "enter")),
    "agent-small-light": ("agents", SMALL, LIGHT, ("enter",)),
    "decide-middle-dark": ("decide", MIDDLE, DARK, ("escape",)),
    "models-middle-light": ("models", MIDDLE, LIGHT, ()),
    "models-small-dark": ("models", SMALL, DARK, ()),
    "stream-middle-dark": ("stream", MIDDLE, DARK, ()),
    "plugins-middle-light": ("plugins", MIDDLE, LIGHT, ()),
    "workers-small-red": ("workers", SMALL, RED, ()),
}


@pytest.mark.parametrize("name", PICTURES)
async def test_a_screen_looks_as_it_was_approved(fake: FakeService, name: str) -> None:
    mode, size, theme, keys = PICTURES[name]
    snap_compare(name, await drawn(fake, mode, size, theme, keys))
