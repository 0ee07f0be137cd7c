"""The command, and what the guide says of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.binding import Binding
from typer.testing import CliRunner, Result

from olearn_core.cli.app import app
from olearn_tui.app import Dashboard
from olearn_tui.screens.agent import AgentPage
from olearn_tui.screens.modals import Confirm, Details
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable

GUIDE = (Path(__file__).parents[2] / "docs/ONLINE_LEARNING.md").read_text()
PARTS = (Dashboard, *Dashboard.MODES.values(), AgentPage, Confirm, Details, RowTable, TablePanel)


async def olearn(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


async def test_a_profile_that_is_not_there_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    said = await olearn("dashboard", "--profile", "prod")
    assert said.exit_code == 1
    assert said.stderr.startswith("olearn: there is no profile 'prod' in")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_that_can_be_another_is_documented(part: type) -> None:
    for binding in part.BINDINGS:
        if isinstance(binding, Binding) and binding.id:
            assert f"`{binding.id}`" in GUIDE, binding
