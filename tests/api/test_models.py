"""All models in one list, and how well each would have told the hours behind us."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import numpy as np
import pytest

from olearn_core import (
    Estimate,
    Panel,
    Predictor,
    Query,
    StrategyOptions,
    Sums,
    hookimpl,
    standard,
)
from olearn_core.api.app import create_app
from olearn_core.plugins import Plugins
from olearn_core.statistics.buckets import HOUR_SECONDS
from tests.api.conftest import Api, Serving
from tests.support.credentials import admit
from tests.support.events import outcome, rfc3339
from tests.support.services import publish, received, running, settings_for


def hours_ago(hours: float) -> str:
    return rfc3339(time.time() - hours * HOUR_SECONDS)


async def test_every_model_is_listed_with_its_strategy_and_panel(serving: Serving) -> None:
    forgetful = {"latency_prediction": {"strategy": "exponential"}}
    async with serving(models=forgetful) as api:
        await api.learn({"agent_name": "ada", "success": True})
        body = (await api.get("/models")).json()
        models = {model["model_type"]: model for model in body["models"]}
        assert body["policy"] == "agent_selection"
        assert models["agent_selection"]["strategy"] is None
        assert models["agent_selection"]["panel"] is None
        assert models["success_prediction"]["strategy"] == "bayesian"
        assert models["latency_prediction"]["strategy"] == "exponential"
        assert models["latency_prediction"]["panel"] == {
            "title": "Latency",
            "format": "duration_ms",
            "better": "lower",
        }
        assert models["success_prediction"]["performance_summary"]["total_agents"] == 1
        alone = (await api.get("/models/success_prediction")).json()
        assert models["success_prediction"].keys() == alone.keys()
        assert models["success_prediction"]["options"] == alone["options"]


async def test_each_hour_tests_what_was_known_before_it(api: Api) -> None:
    good = {"agent_name": "ada", "status": "success", "latency_ms": 100.0}
    bad = {"agent_name": "ada", "status": "failure", "latency_ms": 900.0}
    await api.learn(*[good | {"timestamp": hours_ago(3)}] * 30)
    await api.learn(*[bad | {"timestamp": hours_ago(1)}] * 10)
    body = (await api.get("/models/success_prediction/validation")).json()
    first, second = body["hours"]
    assert (body["unit"], first["outcomes"], second["outcomes"]) == ("share", 30, 10)
    assert (first["observed"], second["observed"]) == (1.0, 0.0)
    assert 0.3 < first["expected"] < 0.9, "nothing was known then"
    assert second["expected"] > 0.85, "thirty successes were"
    for hour in body["hours"]:  # all outcomes of an hour are alike here
        error = (hour["observed"] - hour["expected"]) ** 2
        assert hour["mean_squared_error"] == pytest.approx(error)
    latency = (await api.get("/models/latency_prediction/validation")).json()["hours"][1]
    assert latency["observed"] == pytest.approx(900.0)
    assert 50 < latency["expected"] < 300
    assert latency["mean_squared_error"] is None


async def test_only_the_hours_asked_for_are_tested(api: Api) -> None:
    await api.learn({"agent_name": "ada", "success": True, "timestamp": hours_ago(5)})
    path = "/models/success_prediction/validation"
    assert (await api.get(f"{path}?hours=2")).json()["hours"] == []
    assert len((await api.get(f"{path}?hours=8")).json()["hours"]) == 1
    assert (await api.get(f"{path}?hours=48")).status_code == 422
    assert (await api.get("/models/quality_prediction/validation")).json()["hours"] == []


async def test_a_policy_estimates_nothing_that_could_be_tested(api: Api) -> None:
    answer = await api.get("/models/agent_selection/validation")
    assert answer.status_code == 404
    assert "policy" in answer.json()["detail"]


class Timeouts(Predictor[StrategyOptions]):
    """A stranger's predictor."""

    name = "timeout_prediction"
    unit = "share"
    columns = (standard.EXECUTIONS, standard.TIMEOUTS)
    count = standard.EXECUTIONS
    panel = Panel("How often they time out", format="percent", better="lower")

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        halves = np.full(len(query.agents), 0.5)
        return Estimate(halves, halves, halves, halves, halves, halves)


class OfTimeouts:
    @hookimpl
    def olearn_register_models(self) -> list[type[Timeouts]]:
        return [Timeouts]


async def test_a_plugin_declares_its_panel_and_is_told_beside_the_others(
    tmp_path: Path, sqlite_url: str
) -> None:
    plugins = Plugins.found()
    plugins.register(OfTimeouts(), "timeouts")
    async with running(settings_for(tmp_path, sqlite_url), plugins) as run:
        await publish(run.service.publisher, [outcome(agent_name="ada")])
        await received(run.service, 1)
        transport = httpx2.ASGITransport(create_app(run.service))
        root = "http://localhost/api/learning"
        headers = await admit(run.service)
        async with httpx2.AsyncClient(
            transport=transport, base_url=root, headers=headers
        ) as client:
            model = (await client.get("/models/timeout_prediction")).json()
            assert model["panel"]["title"] == "How often they time out"
            validation = await client.get("/models/timeout_prediction/validation")
            assert validation.json()["hours"] == [], "its sums are not those of a component"
            beliefs = (await client.get("/agents/ada")).json()["beliefs"]
            own = next(b for b in beliefs if b["model_type"] == "timeout_prediction")
            assert (own["component"], own["mean"]) == (None, 0.5)
