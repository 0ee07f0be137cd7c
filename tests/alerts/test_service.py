"""What the status says of it: faults make it degraded, agents that drift do not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from olearn_core.decisions.question import Question
from tests.api.conftest import Serving
from tests.support.events import outcome, rfc3339
from tests.support.services import eventually, publish, received

HOUR = 3_600


def history(now: float) -> list[bytes]:
    """An agent that was good for five days and fails since some hours."""
    hours = [
        (hours, "success" if hours > 8 or hours % 3 == 0 else "failure") for hours in range(120)
    ]
    return [
        outcome(event_id=f"{h}-{i}", status=status, timestamp=rfc3339(now - h * HOUR))
        for h, status in hours
        for i in range(5)
    ]


HISTORY = history(time.time())


async def test_an_agent_that_drifts_is_a_warning_and_no_degradation(serving: Serving) -> None:
    async with serving(alerts={"interval_seconds": 0.05, "drift_interval_seconds": 0.1}) as api:
        records = history(time.time())
        await publish(api.service.publisher, records)
        await received(api.service, len(records))
        await eventually(lambda: api.service.alerts.current)
        body = (await api.get("/status")).json()
        assert body["status"] == "healthy"
        (warning,) = body["warnings"]
        assert warning.startswith("drift since ")
        assert "success of ada on code fell" in warning


async def test_drift_can_be_switched_off(serving: Serving) -> None:
    async with serving(alerts={"drift": False}) as api:
        records = history(time.time())
        await publish(api.service.publisher, records)
        await received(api.service, len(records))
        await api.service.alerts.look_for_drift()
        api.service.alerts.look()
        assert api.service.alerts.current == []


async def test_true_draws_are_calm_and_others_degrade_the_service(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with serving() as api:
        await api.learn({"agent_name": "ada", "status": "success", "event_id": "1"})
        question = Question("default", "code", {}, ["ada", "bob", "cyd"])
        for _ in range(2_000):
            api.service.decider.decide(question)
        api.service.alerts.look()
        assert (await api.get("/status")).json()["status"] == "healthy"
        monkeypatch.setattr("olearn_core.decisions.modes.draw", lambda *_: 0)
        for _ in range(500):
            api.service.decider.decide(question)
        api.service.alerts.look()
        body = (await api.get("/status")).json()
        assert body["status"] == "degraded"
        assert any("calibration" in warning for warning in body["warnings"])


async def test_decisions_that_never_come_back_are_told_of(serving: Serving) -> None:
    async with serving(alerts={"dangling_minutes": 0.0001}) as api:
        for _ in range(30):
            api.service.decider.decide(Question("default", "code", {}, ["ada", "bob"]))
        await eventually(lambda: api.service.alerts.look() or api.service.alerts.current)
        body = (await api.get("/status")).json()
        assert body["status"] == "healthy"
        assert "30 decisions were made here" in body["warnings"][0]


async def test_a_tenant_s_agents_are_nobody_else_s_business(serving: Serving) -> None:
    async with serving(alerts={"interval_seconds": 0.05, "drift_interval_seconds": 0.1}) as api:
        records = [record.replace(b"{", b'{"tenant_id": "acme", ', 1) for record in HISTORY]
        await publish(api.service.publisher, records)
        await received(api.service, len(records))
        await eventually(lambda: api.service.alerts.of("acme"))
        assert (await api.get("/status")).json()["warnings"] == []
