"""A node notices that nothing of what it decides comes back."""

from __future__ import annotations

from olearn_core.alerts.alert import Alert
from olearn_core.alerts.joins import Joins


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_760_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def minutes(self, minutes: float) -> None:
        self.seconds += 60 * minutes


def decided(joins: Joins, decisions: int) -> None:
    for _ in range(decisions):
        joins.note()


def kinds(alerts: list[Alert]) -> list[str]:
    assert not any(alert.is_fault for alert in alerts)
    return [alert.kind for alert in alerts]


def test_decisions_without_outcomes_are_told_of_after_the_wait() -> None:
    clock = Clock()
    joins = Joins(60, clock)
    decided(joins, 30)
    clock.minutes(59)
    assert joins.alerts(0, 0) == []
    clock.minutes(1)
    (alert,) = joins.alerts(0, 0)
    assert (alert.kind, alert.since) == ("dangling", 1_760_000_000.0)
    assert "30 decisions" in alert.sentence


def test_outcomes_without_decision_ids_are_told_of() -> None:
    clock = Clock()
    joins = Joins(60, clock)
    joins.alerts(0, 100)
    decided(joins, 30)
    clock.minutes(61)
    (alert,) = joins.alerts(0, 140)
    assert alert.kind == "unjoined"
    assert alert.sentence.startswith("40 outcomes")


def test_one_that_comes_back_ends_it() -> None:
    clock = Clock()
    joins = Joins(60, clock)
    decided(joins, 30)
    clock.minutes(61)
    assert kinds(joins.alerts(0, 5)) == ["unjoined"]
    assert joins.alerts(1, 6) == []
    decided(joins, 30)
    clock.minutes(30)
    assert joins.alerts(1, 6) == [], "the wait begins anew"
    clock.minutes(31)
    assert kinds(joins.alerts(1, 6)) == ["dangling"]


def test_without_decisions_outcomes_alone_are_no_reason() -> None:
    clock = Clock()
    joins = Joins(60, clock)
    clock.minutes(1_000)
    assert joins.alerts(0, 10_000) == []


def test_a_handful_of_decisions_is_no_reason() -> None:
    clock = Clock()
    joins = Joins(60, clock)
    decided(joins, 19)
    clock.minutes(1_000)
    assert joins.alerts(0, 0) == []


def test_a_wait_of_nothing_switches_it_off() -> None:
    clock = Clock()
    joins = Joins(0, clock)
    decided(joins, 100)
    clock.minutes(10_000)
    assert joins.alerts(0, 0) == []
