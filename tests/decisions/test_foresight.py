"""Estimates are fitted before they are asked for, and are never old for long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from olearn_core.decisions import foresight
from olearn_core.decisions.foresight import Foresight
from olearn_core.decisions.question import Question
from olearn_core.learning.shards.recent import RecentOutcomes
from olearn_core.models import Estimate, Predictor, Query, StrategyOptions, Sums
from olearn_core.plugins import Models, Plugins
from olearn_core.statistics import Weighting, standard
from tests.support.events import outcome
from tests.support.services import publish, received, running, settings_for

MANY = 200
ASKED = ("counted", Weighting(), "executions")


class Counted(Predictor[StrategyOptions]):
    """Counts how often it was asked, by the sums it was asked about."""

    name = "counted"
    unit = "share"
    columns = (standard.EXECUTIONS,)
    count = standard.EXECUTIONS

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        sums.once("asked", list).append(query.task_type)
        nothing = np.zeros(len(query.agents))
        return Estimate(nothing, nothing, nothing, nothing, nothing, nothing)


class Broken(Counted):
    name = "broken"

    def estimate(self, sums: Sums, query: Query) -> Estimate:
        raise ValueError("a mistake")


class Written:
    """Knowledge that the test writes: each `learn` makes new sums."""

    columns = ("executions",)
    version = 1
    as_of = 1.0

    def __init__(self) -> None:
        self.learn()

    def learn(self) -> None:
        self.newest = Sums(("code",), ("ada",), self.columns, np.ones((1, 1, 1)))

    def sums(self, tenant: str, model: str, weighting: Weighting, count: str) -> Sums:
        return self.newest


class Rig:
    def __init__(self, *predictors: type[Predictor[StrategyOptions]]) -> None:
        self.now = 100.0
        self.view = Written()
        made = [predictor(StrategyOptions()) for predictor in predictors]
        policies = Plugins.found().models("agent_selection", {}).policies
        models = Models(made, policies, policies["agent_selection"], (standard.EXECUTIONS,))
        self.foresight = Foresight(self.view, models, lambda: self.now)

    def asked(self, times: int = 1) -> Sums:
        for _ in range(times - 1):
            self.foresight.sums("acme", *ASKED)
        return self.foresight.sums("acme", *ASKED)


def fits(sums: Sums) -> int:
    return len(sums.once("asked", list))


async def test_new_sums_are_served_once_they_are_fitted() -> None:
    rig = Rig(Counted)
    first = rig.asked(MANY)
    await rig.foresight.refresh()
    assert fits(first) == 1
    rig.view.learn()
    assert rig.asked(MANY) is first, "nobody waits for a fit"
    await rig.foresight.refresh()
    assert rig.asked() is rig.view.newest
    assert fits(rig.view.newest) == 1


async def test_what_has_not_changed_is_not_fitted_again() -> None:
    rig = Rig(Counted)
    for _ in range(3):
        rig.asked(MANY)
        await rig.foresight.refresh()
    assert fits(rig.asked()) == 1


async def test_where_few_are_asked_each_decision_is_made_of_the_newest() -> None:
    rig = Rig(Counted)
    rig.asked()
    await rig.foresight.refresh()
    rig.view.learn()
    assert rig.asked() is rig.view.newest


async def test_without_refreshing_everything_is_as_the_view_knows_it() -> None:
    rig = Rig(Counted)
    rig.asked(MANY)
    await rig.foresight.refresh()
    rig.view.learn()
    rig.now += 0.6
    assert rig.asked() is rig.view.newest
    rig.view.learn()
    assert rig.asked() is rig.view.newest


async def test_tenants_that_nobody_asks_for_are_not_fitted() -> None:
    rig = Rig(Counted)
    assert not rig.foresight.was_asked_lately
    rig.asked(MANY)
    assert rig.foresight.was_asked_lately
    rig.now += 3
    assert not rig.foresight.was_asked_lately
    await rig.foresight.refresh()
    assert fits(rig.view.newest) == 0


async def test_a_predictor_that_fails_does_not_stop_the_others() -> None:
    rig = Rig(Broken, Counted)
    rig.foresight.sums("acme", "broken", Weighting(), "executions")
    rig.asked(MANY)
    await rig.foresight.refresh()
    assert fits(rig.asked()) == 1


@pytest.mark.parametrize("asked", [True, False])
async def test_learning_gives_way_while_decisions_are_asked_for(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(foresight, "ASKED_SECONDS", 60.0)
    monkeypatch.setattr(RecentOutcomes, "note", lambda _, read, *__: sizes.append(len(read.hashes)))
    async with running(settings_for(tmp_path, sqlite_url)) as run:
        if asked:
            run.service.decider.decide(Question("default", "code", {}, eligible=["ada"]))
        records = [outcome(event_id=str(number)) for number in range(1_000)]
        await publish(run.service.publisher, records)
        await received(run.service, 1_000)
    assert sum(sizes) == 1_000
    assert (max(sizes) <= 125) == asked
