"""A price on cost holds spending near a target per hour."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.config import DecisionSettings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.pacing import MOST_PRICE, Pacing, price_of
from olearn_core.decisions.question import Question
from olearn_core.learning.views.view import View
from olearn_core.plugins import Plugins
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.storage.shards import ShardStore
from olearn_core.tokens import SigningKey
from tests.promises.by_hand import fresh_shard
from tests.support.services import open_database

HOUR = 3_600
NOON = 1_800_000_000 // HOUR * HOUR
KEY = SigningKey(1, b"secret")
BATCHES_AN_HOUR, BATCH = 40, 6
FLEET = {"dear": (0.95, 0.025), "fair": (0.85, 0.010), "cheap": (0.70, 0.0025)}


def hour(number: int) -> int:
    return NOON // HOUR + number


def test_without_spending_there_is_no_price() -> None:
    assert price_of({}, 1.0, NOON) == 0.0


def test_overspending_raises_the_price_and_saving_lowers_it() -> None:
    high = price_of({hour(-1): 1.5}, 1.0, NOON)
    assert high > 0
    assert price_of({hour(-1): 1.5, hour(0): 0.9}, 1.0, NOON + HOUR / 2) > high
    assert price_of({hour(-1): 1.5, hour(0): 0.1}, 1.0, NOON + HOUR / 2) < high


def test_what_is_on_target_leaves_the_price_as_it_is() -> None:
    spent = {hour(-2): 1.3, hour(-1): 1.0}
    assert price_of(spent, 1.0, NOON) == pytest.approx(price_of({hour(-1): 1.3}, 1.0, NOON))


@given(st.dictionaries(st.integers(-60, 0).map(hour), st.floats(0, 1e6)), st.floats(0, HOUR - 1))
def test_the_price_is_never_negative_nor_without_end(
    spent: dict[int, float], seconds: float
) -> None:
    assert 0.0 <= price_of(spent, 1.0, NOON + seconds) <= MOST_PRICE


def test_nothing_jumps_when_the_hour_is_full() -> None:
    spent = {hour(-1): 1.6, hour(0): 1.2}
    before, after = (price_of(spent, 1.0, NOON + HOUR + d) for d in (-0.001, 0.001))
    assert before == pytest.approx(after, abs=1e-5)


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        yield await open_database(sqlite_url, stack)


class Town:
    """A fleet at work under simulated time, learned through the service's own objects."""

    def __init__(self, database: Database, budget_usd_per_hour: float) -> None:
        self.now = float(NOON)
        self.models = Plugins.found().models("agent_selection", {})
        self._shard = fresh_shard()
        self._rng = random.Random(3)
        self._tasks = 0
        stores = ShardStore(database), AdjustmentStore(database)
        self._view = View(*stores, self.models.column_names, lambda: self.now)
        self._view.follow(SimpleNamespace(shards={self._shard.state.partition: self._shard}))
        self.decider = self.node(budget_usd_per_hour)

    def node(self, budget_usd_per_hour: float) -> Decider:
        """Return one that decides by the same sums and remembers nothing."""
        settings = DecisionSettings(
            weights={"success": 1.0}, budget_usd_per_hour=budget_usd_per_hour
        )
        return Decider(
            self._view,
            self.models,
            settings,
            lambda: KEY,
            pacing=self.pacing(),
            clock=self._clock,
        )

    def pacing(self) -> Pacing:
        """Return the price's keeper of a node that remembers nothing."""
        return Pacing(self._view, self._clock)

    def _clock(self) -> float:
        return self.now

    def work(self, hours: int) -> list[float]:
        """Return what each hour's tasks cost, in USD."""
        return [sum(self._batch() for _ in range(BATCHES_AN_HOUR)) for _ in range(hours)]

    def _batch(self) -> float:
        done = [self._task() for _ in range(BATCH)]
        events = [json.dumps(event).encode() for event in done]
        at_ms, first = int(self.now * 1_000), self._shard.next_offset
        records = [LoggedRecord(first + i, event, at_ms) for i, event in enumerate(events)]
        self._shard.learn(records, self.now)
        self._shard.tick = None  # as if it had been saved
        self.now += HOUR / BATCHES_AN_HOUR
        return sum(event["cost_usd"] for event in done)

    def _task(self) -> dict[str, Any]:
        question = Question("default", "code", {}, tuple(FLEET))
        agent = self.decider.decide(question).agent
        chance, cost = FLEET[agent]
        self._tasks += 1
        return {
            "event_id": str(self._tasks),
            "agent_name": agent,
            "task_type": "code",
            "success": self._rng.random() < chance,
            "cost_usd": cost * self._rng.uniform(0.7, 1.3),
        }


async def test_spending_settles_near_the_target(database: Database) -> None:
    """Unbound, the best agent alone would cost 6 USD an hour, the cheapest 0.60."""
    town = Town(database, budget_usd_per_hour=2.4)
    settled = town.work(9)[3:]
    mean = sum(settled) / len(settled)
    assert mean == pytest.approx(2.4, rel=0.05), settled


async def test_a_target_that_is_never_reached_costs_nothing(database: Database) -> None:
    town = Town(database, budget_usd_per_hour=50.0)
    town.work(2)
    assert town.pacing().report("default", 50.0).price == 0.0


async def test_a_target_below_the_cheapest_agent_leaves_the_cheapest(database: Database) -> None:
    town = Town(database, budget_usd_per_hour=0.3)
    last = town.work(6)[-1]
    assert last == pytest.approx(0.6, rel=0.15), "but for the exploration floor"


async def test_nodes_that_see_the_same_sums_have_the_same_price(database: Database) -> None:
    town = Town(database, budget_usd_per_hour=2.4)
    town.work(3)
    report = town.pacing().report("default", 2.4)
    another = town.pacing().report("default", 2.4)
    assert another.price == pytest.approx(report.price, abs=0.01)
    assert report.price > 0
    assert report.spent_last_hour_usd == pytest.approx(2.4, rel=0.2)
