"""An agent that changes is told of, with the time and the size; usual ups and downs are not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from olearn_core.alerts.drift import Drift, DriftWatch, drifts
from olearn_core.learning.views.tenants import History
from olearn_core.statistics import Bucket, compacted
from tests.alerts.rates import Cell, first_alarm

HOUR = 3_600
NOW = 1_760_000_000.0
NOW_HOUR = int(NOW // HOUR)
COLUMNS = (
    "executions", "success", "success_sq", "quality_n", "quality", "quality_sq",
    "latency_n", "ln_latency", "ln_latency_sq", "cost_n", "ln_cost", "ln_cost_sq",
)  # fmt: skip


@dataclass
class Fleet:
    """
    Outcomes of hours, drawn at chance, as they stand in buckets.

    :param rate: outcomes an hour
    :param day_sd: by how much success differs from day to day
    """

    seed: int = 0
    rate: float = 10.0
    days: int = 14
    day_sd: float = 0.0
    cells: dict[tuple[str, str], list[tuple[Bucket, np.ndarray]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def agent(
        self,
        agent: str,
        task: str = "code",
        success: float = 0.9,
        latency_ms: float = 1_000.0,
        change: Mapping[str, float] | None = None,
        hours_ago: int = 24,
        rate: float | None = None,
        later_rate: float | None = None,
    ) -> Fleet:
        """Add an agent's outcomes; from `hours_ago` on they are as `change` says."""
        rows = self.cells.setdefault((task, agent), [])
        usual = {"success": success, "latency_ms": latency_ms}
        rate = self.rate if rate is None else rate
        shift = 0.0
        for hour in range(NOW_HOUR - 24 * self.days, NOW_HOUR + 1):
            if hour % 24 == 0:
                shift = self.rng.normal(0, self.day_sd)
            late = hour > NOW_HOUR - hours_ago
            now = usual | dict(change or {}) if late else usual
            often = later_rate if late and later_rate is not None else rate
            events = int(self.rng.poisson(often))
            rows.append((compacted(Bucket(0, hour), NOW), self._sums(events, now, shift)))
        return self

    def _sums(self, events: int, now: Mapping[str, float], shift: float) -> np.ndarray:
        share = min(max(now["success"] + shift, 0.0), 1.0)
        success = 1_000 * (self.rng.random(events) < share).astype(np.int64)
        quality = np.rint(1_000 * np.clip(self.rng.normal(0.7, 0.1, events), 0, 1)).astype(int)
        latency = self.rng.normal(np.log(now["latency_ms"]), 0.5, events)
        columns = [success, quality, np.rint(1_000 * latency).astype(int)]
        columns.append(np.rint(self.rng.normal(8_000, 300, events)).astype(int))
        return np.array([[events, c.sum(), (c**2).sum()] for c in columns]).reshape(-1)

    @property
    def history(self) -> History:
        tasks = sorted({task for task, _ in self.cells})
        agents = sorted({agent for _, agent in self.cells})
        places = [
            (tasks.index(task), agents.index(agent), *bucket)
            for (task, agent), rows in self.cells.items()
            for bucket, _ in rows
        ]
        values = [sums for rows in self.cells.values() for _, sums in rows]
        return History(tasks, agents, COLUMNS, np.array(places), np.array(values))

    def drifts(self, days: float = 7.0) -> list[Drift]:
        return list(drifts("default", self.history, NOW, days))


def told(found: list[Drift]) -> set[tuple[str, str | None, str]]:
    return {(drift.agent, drift.task_type, drift.component) for drift in found}


def test_an_agent_that_gets_worse_is_told_of_with_time_and_size() -> None:
    fleet = Fleet().agent("ada", change={"success": 0.6}, hours_ago=20).agent("bob")
    (drift,) = fleet.drifts()
    assert told([drift]) == {("ada", "code", "success")}
    assert abs(drift.change.start - (NOW_HOUR - 19)) <= 1
    assert drift.change.before == pytest.approx(0.9, abs=0.03)
    assert drift.change.after == pytest.approx(0.6, abs=0.1)
    alert = drift.alert
    assert (alert.kind, alert.subject) == ("drift", ("ada", "code", "success"))
    assert alert.tenant == "default"
    assert alert.since == drift.change.start * HOUR
    assert "success of ada on code fell from" in alert.sentence
    assert not alert.is_fault


def test_one_that_gets_better_too() -> None:
    (drift,) = Fleet().agent("ada", success=0.5, change={"success": 0.9}).drifts()
    assert "rose" in drift.alert.sentence


@pytest.mark.parametrize("hours_ago", [6, 30, 70, 150])
def test_the_time_is_found_in_hours_and_in_days(hours_ago: int) -> None:
    (drift,) = Fleet(rate=30).agent("ada", change={"success": 0.5}, hours_ago=hours_ago).drifts()
    error = 1 if hours_ago < 48 else 24
    assert abs(drift.change.start - (NOW_HOUR - hours_ago + 1)) <= error


def test_slower_answers_and_dearer_ones_are_changes() -> None:
    (drift,) = Fleet().agent("ada", change={"latency_ms": 2_000.0}).drifts()
    assert told([drift]) == {("ada", "code", "latency")}
    assert "from 9" in drift.alert.sentence or "from 10" in drift.alert.sentence
    assert " ms to " in drift.alert.sentence


def test_what_changed_long_ago_is_no_news() -> None:
    fleet = Fleet(days=25).agent("ada", change={"success": 0.5}, hours_ago=10 * 24)
    assert fleet.drifts(days=7) == []
    assert told(fleet.drifts(days=14)) == {("ada", "code", "success")}


def test_a_new_change_behind_an_old_one_is_told_of_with_the_level_between() -> None:
    fleet = Fleet(days=25)
    fleet.agent("ada", success=0.2, change={"success": 0.9}, hours_ago=12 * 24)
    key = ("code", "ada")
    later = Fleet(seed=1, days=2).agent("ada", success=0.5).cells[key]
    began = NOW_HOUR - 48
    fleet.cells[key] = [row for row in fleet.cells[key] if _hour(row[0]) < began] + later
    (drift,) = fleet.drifts()
    assert drift.change.before == pytest.approx(0.9, abs=0.05)
    assert drift.change.after == pytest.approx(0.5, abs=0.05)


def _hour(bucket: Bucket) -> int:
    return bucket.number if bucket.tier == 0 else bucket.number * 24


def test_an_agent_that_is_worse_everywhere_is_told_of_once() -> None:
    fleet = Fleet()
    for task in ("code", "text", "plan"):
        fleet.agent("ada", task, change={"success": 0.6})
    assert told(fleet.drifts()) == {("ada", None, "success")}


def test_a_change_too_small_in_each_task_type_is_seen_in_all_together() -> None:
    fleet = Fleet(seed=3, rate=1.0)
    for task in range(12):
        fleet.agent("ada", f"task-{task}", change={"success": 0.7}, hours_ago=30)
    assert ("ada", None, "success") in told(fleet.drifts())


def test_harder_tasks_are_no_change_of_the_agent() -> None:
    """It gets more of what it fails at, and is as good at each as ever."""
    fleet = Fleet()
    fleet.agent("ada", "easy", success=0.95, rate=20, later_rate=2)
    fleet.agent("ada", "hard", success=0.30, rate=2, later_rate=20)
    assert fleet.drifts() == []


def test_days_that_differ_are_no_change() -> None:
    for seed in range(20):
        assert Fleet(seed=seed, day_sd=0.03).agent("ada", success=0.85).drifts() == []


def test_a_steady_fleet_is_calm() -> None:
    """
    A hundred cells, each looked at as it stands now.

    Over weeks of looking: see "Alerts" in docs/ONLINE_LEARNING.md.
    """
    fleet = Fleet(rate=3.0)
    for number in range(100):
        fleet.agent(f"agent-{number}", success=0.3 + 0.006 * number)
    assert fleet.drifts() == []


def test_a_failure_after_many_successes_is_no_change() -> None:
    fleet = Fleet(days=14, rate=5).agent("ada", success=1.0, change={"success": 0.9}, hours_ago=3)
    assert fleet.drifts() == []


def test_an_agent_of_yesterday_has_no_history_to_differ_from() -> None:
    fleet = Fleet(days=1).agent("ada", change={"success": 0.1}, hours_ago=10)
    assert fleet.drifts() == []


def test_rows_of_several_shards_are_one_history() -> None:
    whole = Fleet().agent("ada", change={"success": 0.6}).history
    split = History(
        whole.tasks, whole.agents, whole.columns,
        np.concatenate([whole.places, whole.places]),
        np.concatenate([whole.values // 2, whole.values - whole.values // 2]),
    )  # fmt: skip
    (one,), (other,) = (drifts("default", h, NOW, 7) for h in (whole, split))
    assert one == other


class Tenants:
    """Histories by tenant, as the view gives them."""

    def __init__(self, histories: dict[str, History]) -> None:
        self._histories = histories

    @property
    def tenants(self) -> set[str]:
        return set(self._histories)

    def history(self, tenant: str) -> History:
        return self._histories[tenant]


def test_all_tenants_are_looked_through() -> None:
    good = Fleet().agent("ada").history
    bad = Fleet().agent("ada", change={"success": 0.4}).history
    watch = DriftWatch(Tenants({"a": good, "b": bad, "c": bad}), 7.0, lambda: NOW)
    assert watch.alerts() == []
    asyncio.run(watch.look())
    assert [alert.tenant for alert in watch.alerts()] == ["b", "c"]


def test_cells_that_are_looked_at_for_weeks_are_calm() -> None:
    """More of them, and how soon changes are found: `python -m tests.alerts.rates`."""
    for seed in range(6):
        for cell in (Cell(3, 0.8), Cell(30, 0.95), Cell(3, None), Cell(30, 0.8, day_sd=0.02)):
            assert first_alarm(cell, seed, 35, range(26, 24 * 35, 12)) is None
