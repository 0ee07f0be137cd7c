"""Limits, margins and floors in the law that is drawn from."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from olearn_core.config import DecisionSettings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.law import Law
from olearn_core.decisions.question import Question
from olearn_core.schemas import Limits
from olearn_core.service import Service
from tests.support.events import outcome
from tests.support.services import publish, received, running, settings_for

FLEET = {  # successes of ten, latency in ms, cost in USD
    "good": (9, 4_000, 0.050),
    "quick": (8, 300, 0.020),
    "cheap": (9, 3_000, 0.001),
    "bad": (1, 500, 0.0001),
}


@pytest.fixture
async def service(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Service]:
    records = [
        outcome(
            agent_name=agent,
            status="success" if i % 10 < of_ten else "failure",
            latency_ms=latency_ms * (1 + 0.01 * (i % 7)),
            cost_usd=cost_usd,
        )
        for i in range(100)
        for agent, (of_ten, latency_ms, cost_usd) in FLEET.items()
    ]
    async with running(settings_for(tmp_path, sqlite_url)) as run:
        await publish(run.service.publisher, records)
        await received(run.service, len(records))
        yield run.service


def law(service: Service, **wishes: Any) -> Law:
    settings = DecisionSettings(weights={"success": 1.0}, exploration_floor=0.04)
    decider = Decider(service.view, service.models, settings, service.keys.newest)
    limits = wishes.pop("limits", None)
    if limits is not None:
        wishes["limits"] = Limits.model_validate(limits)
    return decider.law(
        Question(**{"tenant": "default", "task_type": "code", "context": {}, **wishes})
    )


def shares(found: Law) -> dict[str, float]:
    return dict(zip(found.agents, found.probabilities.tolist(), strict=True))


async def test_who_breaks_a_limit_has_no_probability_at_all(service: Service) -> None:
    found = law(service, limits={"latency_ms": {"most": 1_000}})
    drawn = shares(found)
    assert drawn["good"] == drawn["cheap"] == 0.0
    assert drawn["bad"] >= 0.02, "the floor is shared by those that may be drawn"
    assert drawn["quick"] > 0.9
    assert math.fsum(drawn.values()) == pytest.approx(1)
    assert found.limits_met is True


async def test_what_cannot_be_kept_is_said(service: Service) -> None:
    found = law(service, limits={"success": {"least": 0.5}, "latency_ms": {"most": 100}})
    assert found.limits_met is False
    assert [agent for agent, share in shares(found).items() if share > 0] == ["quick"]
    assert law(service).limits_met is None


async def test_a_newcomer_can_be_tried_under_limits(service: Service) -> None:
    eligible = [*FLEET, "newcomer"]
    found = law(service, eligible=eligible, limits={"latency_ms": {"most": 4_500}})
    assert shares(found)["newcomer"] >= 0.09
    hopeless = law(service, eligible=eligible, limits={"latency_ms": {"most": 320}})
    assert shares(hopeless)["newcomer"] == 0.0, "most agents are slower"


async def test_the_cheapest_that_is_good_enough_is_wanted(service: Service) -> None:
    best, cheapest = shares(law(service)), shares(law(service, cheapest_within=0.1))
    assert cheapest["cheap"] > 0.9 > best["cheap"]
    assert shares(law(service, preset="thrifty"))["bad"] < 0.05


async def test_a_preset_costs_no_learning(service: Service) -> None:
    before = dict(service.view.counters())
    for preset in ("quality", "balanced", "thrifty"):
        assert math.fsum(shares(law(service, preset=preset)).values()) == pytest.approx(1)
    assert dict(service.view.counters()) == before
