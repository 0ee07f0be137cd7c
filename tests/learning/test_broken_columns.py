"""A plugin's column that fails adds nothing and is shown; the others go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from olearn_core import Estimate, Predictor, Query, StrategyOptions, Sums, hookimpl, standard
from olearn_core.plugins import Plugins
from olearn_core.statistics import Column, FloatArray, OutcomeBatch
from tests.support.events import outcome
from tests.support.services import eventually, running, settings_for


def _raises(batch: OutcomeBatch) -> FloatArray:
    raise ZeroDivisionError("of a stranger")


class Careless(Predictor[StrategyOptions]):
    """Counts with a column that cannot be computed."""

    name = "careless"
    unit = "events"
    count = standard.EXECUTIONS
    columns = (standard.EXECUTIONS, Column("careless", "events", 1, 1, _raises))

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        raise AssertionError("nobody asks")


class Plugin:
    @hookimpl
    def olearn_register_models(self) -> list[type[Careless]]:
        return [Careless]


@pytest.mark.filterwarnings("default")
async def test_the_service_goes_on_without_it(tmp_path: Path) -> None:
    plugins = Plugins.found()
    assert plugins.register(Plugin(), "careless").problem is None
    settings = settings_for(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/olearn.db")
    async with running(settings, plugins) as started:
        service = started.service
        await service.publisher.publish("k", outcome(event_id="a"))
        await eventually(lambda: service.view.counters().get("executions") == 1)
        assert any("careless" in problem for problem in service.problems)
        _, _, sums = service.view.exact("default")
        assert sums[0, 0, service.view.columns.index("careless")] == 0
