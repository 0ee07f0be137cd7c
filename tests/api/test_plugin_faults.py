"""Plugins that fail while a decision is made: it is made without them, and that is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from olearn_core.models import Estimate
from olearn_core.statistics import FloatArray
from olearn_plugins.agent_selection import AgentSelection
from olearn_plugins.latency import LatencyPredictor
from olearn_plugins.success import SuccessPredictor
from tests.api.conftest import Api
from tests.support.services import eventually

GOOD = {"agent_name": "ada", "task_type": "code", "status": "success", "latency_ms": 900}
POOR = {"agent_name": "bob", "task_type": "code", "status": "failure", "latency_ms": 100}
ASKED = {"task_type": "code"}
EXPLOITED = 0.995  # of two agents, where the exploration floor is 0.01


def broken(*_: object) -> Any:
    raise ZeroDivisionError("what a pity")


async def warnings(api: Api) -> str:
    return " ".join((await api.get("/status")).json()["warnings"])


@pytest.mark.parametrize(
    ("choose", "said"),
    [
        (broken, "ZeroDivisionError: what a pity"),
        (lambda *_: np.array([0.5, 0.2]), "the policy returned no law"),
        (lambda *_: np.array([np.nan, 1.0]), "the policy returned no law"),
        (lambda *_: None, "the policy returned no law"),
    ],
)
async def test_without_its_policy_the_agent_with_the_best_expectation_is_chosen(
    api: Api, monkeypatch: pytest.MonkeyPatch, choose: Any, said: str
) -> None:
    await api.learn(*[GOOD] * 6, *[POOR] * 6)
    with monkeypatch.context() as patched:
        patched.setattr(AgentSelection, "choose", choose)
        answer = await api.post("/predict/agent-selection", json=ASKED)
        assert answer.status_code == 200, answer.text
        best = answer.json()["recommendations"][0]
        assert (best["agent_name"], best["probability"]) == ("ada", EXPLOITED)
        explained = await api.post("/decisions", json=ASKED | {"explain": True})
        assert explained.status_code == 200, explained.text
        assert said in await warnings(api)
    await api.learn(GOOD)

    async def does_well_again() -> bool:
        await api.post("/decisions", json=ASKED)
        return said not in await warnings(api)

    await eventually(does_well_again)


def too_short(self: SuccessPredictor, *_: object) -> Estimate:
    none: FloatArray = np.zeros(0)
    return Estimate(none, none, none, none, none, none)


@pytest.mark.parametrize(
    ("estimate", "said"),
    [(broken, "ZeroDivisionError: what a pity"), (too_short, "mean is not a finite number")],
)
async def test_a_predictor_that_fails_is_left_out_of_decisions(
    api: Api, monkeypatch: pytest.MonkeyPatch, estimate: Any, said: str
) -> None:
    await api.learn(*[GOOD] * 6, *[POOR] * 6)
    monkeypatch.setattr(SuccessPredictor, "estimate", estimate)
    weights = {"success": 0.5, "latency": 0.5}
    answer = await api.post("/decisions", json=ASKED | {"weights": weights})
    assert answer.status_code == 200, answer.text
    assert "plugin success_prediction" in await warnings(api)
    assert said in await warnings(api)


async def test_a_limit_that_nobody_can_judge_is_no_limit_that_is_kept(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.learn(GOOD, POOR)
    monkeypatch.setattr(LatencyPredictor, "estimate", broken)
    answer = await api.post("/decisions", json=ASKED | {"limits": {"latency_ms": {"most": 500}}})
    assert answer.status_code == 409
    assert "the model that estimates latency fails" in answer.json()["detail"]


async def test_what_failed_is_logged_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await api.learn(GOOD, POOR)
    monkeypatch.setattr(AgentSelection, "choose", broken)
    for task_type in ("code", "prose", "sums"):
        await api.post("/decisions", json={"task_type": task_type})
    said = [record for record in caplog.records if "what a pity" in record.getMessage()]
    assert len(said) == 1
