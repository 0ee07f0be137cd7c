"""What a plugin declares as data is shown on its model's page; it knows nothing of terminals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from olearn_core import Estimate, Panel, Predictor, Query, StrategyOptions, Sums, hookimpl, standard
from olearn_core.api.server import serve
from olearn_core.client import OlearnClient
from olearn_core.plugins import Plugins
from olearn_core.service import Service
from olearn_tui.app import Dashboard
from olearn_tui.feed.connection import Connection
from olearn_tui.feed.feed import Feed
from olearn_tui.profiles import Profile
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable
from tests.support.credentials import KEY, lay_key
from tests.support.services import eventually, settings_for

TIMEOUTS, OUTCOMES = 3, 4


class Timeouts(Predictor[StrategyOptions]):
    """The share of executions that time out."""

    name = "timeout_prediction"
    unit = "share"
    columns = (standard.EXECUTIONS, standard.TIMEOUTS)
    count = standard.EXECUTIONS
    panel = Panel("Timeouts", format="percent", better="lower")

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        known = sums.agent_rows(query.agents)
        n, timeouts = (sums.column(name).sum(axis=0)[known] for name in ("executions", "timeouts"))
        share, none = timeouts / n, np.zeros(len(known))
        return Estimate(share, none, none, n, share, share)


@hookimpl
def olearn_register_models() -> list[type[Timeouts]]:
    return [Timeouts]


@asynccontextmanager
async def serving(folder: Path, database_url: str) -> AsyncIterator[str]:
    """Run a service with the plugin; give its address."""
    lay_key(folder)
    plugins = Plugins.found()
    guest = ModuleType("guest")
    guest.olearn_register_models = olearn_register_models
    plugins.register(guest, "guest")
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()

    def on_ready(url: str, service: Service) -> None:
        ready.set_result(url)

    settings = settings_for(folder, database_url, api={"port": 0})
    running = asyncio.create_task(serve(settings, plugins=plugins, on_ready=on_ready, stop=stop))
    try:
        async with asyncio.timeout(30):
            url = await ready
        yield url
    finally:
        stop.set()
        await running


def table(dashboard: Dashboard, panel: str) -> RowTable[Any]:
    found: RowTable[Any] = dashboard.screen.query_one(f"#{panel}", TablePanel).table
    return found


def go_to(dashboard: Dashboard, model: str) -> None:
    """Put the cursor on a model."""
    models = table(dashboard, "models")
    names = [row.model_type for row in models.rows]
    models.action_move(names.index(model) - models.cursor)


async def test_a_plugin_s_panel_is_on_its_model_s_page(tmp_path: Path, sqlite_url: str) -> None:
    async with serving(tmp_path, sqlite_url) as url:
        async with OlearnClient(url, api_key=KEY) as client:
            for number in range(OUTCOMES):
                status = "timeout" if number < TIMEOUTS else "success"
                await client.report(
                    {"event_id": str(number), "agent_name": "ada", "status": status}
                )
        feed = Feed(Connection(url, KEY))
        dashboard = Dashboard(Profile("staging", url, key=KEY), feed, first="models")
        async with dashboard.run_test(size=(160, 50)):
            await eventually(lambda: table(dashboard, "models").rows, "the models")
            go_to(dashboard, "timeout_prediction")
            panel = dashboard.screen.query_one("#estimates", TablePanel)
            await eventually(lambda: panel.title == "Timeouts" and panel.table.rows, "the panel")

            def shown() -> list[Any]:
                (row,) = panel.table.rows
                return [row.agent_name, panel.table.columns[1].cell(row)]

            await eventually(lambda: shown() == ["ada", "75.0 %"], "all outcomes are learned")
            assert (panel.table.sorted_by, panel.table.descending) == ("mean", False)
            go_to(dashboard, "agent_selection")
            await eventually(lambda: not panel.display, "no panel: a policy expects nothing")
