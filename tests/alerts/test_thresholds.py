"""Alerts by threshold: when they begin, that they keep their time and id, when they are over."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from olearn_core.alerts.alert import Alert
from olearn_core.alerts.book import AlertBook
from olearn_core.alerts.thresholds import Thresholds
from olearn_core.alerts.vitals import Vitals
from olearn_core.config import AlertSettings
from olearn_core.storage.ledger import Period

CONFIGURED = tomllib.loads((Path(__file__).parents[2] / "config.toml").read_text())["alerts"]
NOON = 1_700_000_000.0
MINUTE = 60.0


def period(score: float | None = 0.8, outcomes: int = 1_000, mean_ms: float | None = 5.0) -> Period:
    success = 0 if score is None else round(1_000 * score * outcomes)
    return Period(9, outcomes, outcomes, success, 0, 0, 0, 0, mean_ms)


def judged(*moments: dict[str, Any], **settings: Any) -> list[Alert]:
    """Return what is found at the last of these moments, one minute apart, as is configured."""
    thresholds = Thresholds(AlertSettings(**CONFIGURED | settings))
    found: list[Alert] = []
    for minute, moment in enumerate(moments):
        found = thresholds.judge(Vitals(**{"at": NOON + MINUTE * minute} | moment))
    return found


def kinds(*moments: dict[str, Any], **settings: Any) -> list[str]:
    return [alert.kind for alert in judged(*moments, **settings)]


CALM = {"updates": 100, "received": 1_000, "samples": 1_000}


BEYOND = [
    (
        "failed_updates",
        {"updates": 119, "failed_updates": 1},
        {"updates": 118, "failed_updates": 2},
    ),
    ("slow_updates", {"recent": period(mean_ms=999)}, {"recent": period(mean_ms=1_001)}),
    (
        "lag",
        {"lag_records": 1_000, "lag_seconds": 60.0},
        {"lag_records": 1_001, "lag_seconds": 60.0},
    ),
    (
        "lag",
        {"lag_records": 90_000, "lag_seconds": 1.0},
        {"lag_records": 9_000, "lag_seconds": 6.0},
    ),
    (
        "improvement",
        {"hour_before": period(0.8), "hour": period(0.73)},
        {"hour_before": period(0.8), "hour": period(0.71)},
    ),
    (
        "improvement",
        {"hour_before": period(0.8), "hour": period(0.1, outcomes=29)},
        {"hour_before": period(0.8), "hour": period(0.1, outcomes=30)},
    ),
    (
        "dead_letters",
        {"received": 1_500, "dead_letters": 50},
        {"received": 1_500, "dead_letters": 51},
    ),
    (
        "dead_letters",
        {"received": 1_019, "dead_letters": 19},
        {"received": 1_020, "dead_letters": 20},
    ),
    ("fault", {}, {"faults": {"database": "does not answer"}}),
]
# What is told of a moment, and not counted since the start, when all is well again.
WELL: dict[str, Any] = {"lag_records": 0, "lag_seconds": 0.0, "recent": period(), "faults": {}}
WELL |= {"hour": period(), "hour_before": period()}


@pytest.mark.parametrize(("kind", "calm", "alarming"), BEYOND)
def test_a_threshold_parts_what_is_calm_from_what_is_alarming(
    kind: str, calm: dict[str, Any], alarming: dict[str, Any]
) -> None:
    assert kinds(CALM, CALM | calm) == []
    assert kinds(CALM, CALM | alarming) == [kind]


@pytest.mark.parametrize(("kind", "calm", "alarming"), BEYOND)
def test_it_is_over_when_all_is_well_for_a_window(
    kind: str, calm: dict[str, Any], alarming: dict[str, Any]
) -> None:
    assert kinds(CALM, CALM | calm, CALM | alarming) == [kind]
    assert kinds(CALM, CALM | alarming, *[CALM | alarming | WELL] * 7) == []


def test_shares_are_of_the_window_not_of_all_time() -> None:
    failed = {"updates": 1_000, "failed_updates": 100}
    assert kinds(CALM, failed) == ["failed_updates"]
    later = [failed | {"updates": 1_000 + 100 * minute} for minute in range(7)]
    assert kinds(CALM, failed, *later) == []


def test_where_records_come_and_nothing_is_learned_somebody_is_told() -> None:
    waiting = [CALM | {"received": 1_000 + 2 * minute} for minute in range(12)]
    found = judged(*waiting)
    assert [alert.kind for alert in found] == ["never_learning"]
    assert "none was learned" in found[0].sentence
    learned = waiting[-1] | {"samples": 1_001}
    assert kinds(*waiting, learned) == []


def test_repeats_are_no_reason_to_worry() -> None:
    repeats = [
        CALM | {"received": 1_000 + 50 * minute, "duplicates": 50 * minute} for minute in range(12)
    ]
    assert kinds(*repeats) == []


def test_decisions_without_any_outcome_ever_are_told_of() -> None:
    (alert,) = judged(*[{"decisions": 3 * minute} for minute in range(12)])
    assert alert.kind == "never_learning"
    assert "nothing was ever learned" in alert.sentence


def test_what_is_learned_and_not_saved_for_long_is_stale() -> None:
    unsaved = [{"saved_at": NOON, "is_unsaved": True}] * 31
    assert kinds(*unsaved) == []
    assert kinds(*unsaved, unsaved[0]) == ["stale_model"]
    saved = {"saved_at": NOON + 1, "is_unsaved": True}
    assert kinds(*unsaved, unsaved[0], saved) == []
    idle = [{"saved_at": NOON, "is_unsaved": False}] * 60
    assert kinds(*idle) == []


def test_thresholds_are_a_matter_of_configuration() -> None:
    behind = {"lag_records": 11, "lag_seconds": 1.0}
    assert kinds(behind) == []
    (alert,) = judged(behind, lag_records=10, lag_seconds=0.5)
    assert (alert.kind, alert.severity) == ("lag", "warning")


def test_every_alert_says_what_to_do_and_keeps_its_time() -> None:
    fault = CALM | {"faults": {"outcomes/0": "stopped"}}
    first, again = judged(CALM, fault), judged(CALM, fault, fault, fault)
    assert first[0].since == again[0].since == NOON + MINUTE
    assert again[0].severity == "critical"


class TestTheBook:
    def test_an_alert_has_one_id_from_firing_to_resolved(self) -> None:
        book = AlertBook(clock=lambda: NOON)
        alert = Alert("lag", (), NOON, "10 records wait")
        (begun,) = book.update([alert])
        assert book.update([Alert("lag", (), NOON, "20 records wait")]) == []
        assert [entry.alert.sentence for entry in book.firing.values()] == ["20 records wait"]
        (over,) = book.update([])
        assert over.id == begun.id
        assert (begun.body("n").state, over.body("n").state) == ("firing", "resolved")
        (again,) = book.update([alert])
        assert again.id != begun.id
        assert [entry.id for entry in book.recent] == [begun.id]

    def test_a_tenant_is_told_of_its_own_alerts_and_the_node_s(self) -> None:
        book = AlertBook()
        found = [Alert("drift", (str(t),), NOON, "", t) for t in ("acme", "other", None)]
        entries = book.update(found)
        assert [entry.concerns("acme") for entry in entries] == [True, False, True]
        assert all(entry.concerns(None) for entry in entries)
