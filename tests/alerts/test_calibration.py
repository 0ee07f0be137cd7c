"""Propensities are watched: true ones raise no alarm, however often one looks; others do soon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from olearn_core.alerts.calibration import Calibration

NOW = 1_760_000_000.0


@dataclass(frozen=True)
class Law:
    agents: tuple[str, ...]
    probabilities: np.ndarray


def law_of(*probabilities: float) -> Law:
    agents = tuple(f"agent-{i}" for i in range(len(probabilities)))
    return Law(agents, np.array(probabilities))


def any_law(rng: np.random.Generator) -> Law:
    weights = rng.dirichlet(np.full(5, 0.5))
    return law_of(*(0.99 * weights + 0.01 / 5))


Draw = Callable[[np.random.Generator, Law], int]


def true_draw(rng: np.random.Generator, law: Law) -> int:
    return int(rng.choice(len(law.agents), p=law.probabilities))


def alarmed_after(watch: Calibration, rng, draw: Draw, decisions: int, make=any_law) -> int | None:
    """Return after how many decisions there was an alert, looking every 50."""
    law = make(rng)
    for number in range(1, decisions + 1):
        if number % 10 == 0:
            law = make(rng)
        watch.note("default", law, draw(rng, law))
        if number % 50 == 0 and watch.alerts():
            return number
    return None


def test_a_true_law_is_calm_over_many_seeds() -> None:
    """One agent of one tenant and 5 % allowed, so that the test has something to count."""
    seeds, alarms = 200, 0
    for seed in range(seeds):
        watch = Calibration(most_watched=2, false_alarm_rate=0.05)
        alarms += alarmed_after(watch, np.random.default_rng(seed), true_draw, 600) is not None
    assert alarms <= 0.05 * seeds


def test_as_the_service_watches_it_no_seed_in_a_hundred_alarms() -> None:
    for seed in range(100):
        assert alarmed_after(Calibration(), np.random.default_rng(seed), true_draw, 600) is None


def floor_forgotten(rng: np.random.Generator, law: Law) -> int:
    """Draws without the floor that is logged."""
    raised = np.maximum(law.probabilities - 0.04, 0.0)
    return int(rng.choice(len(raised), p=raised / raised.sum()))


def always_the_best(rng: np.random.Generator, law: Law) -> int:
    return int(law.probabilities.argmax())


def neighbour(rng: np.random.Generator, law: Law) -> int:
    """Draws rightly, and reports the next agent."""
    return (true_draw(rng, law) + 1) % len(law.agents)


def evenly(rng: np.random.Generator, law: Law) -> int:
    return int(rng.integers(len(law.agents)))


def seen_before(rng: np.random.Generator, law: Law) -> int:
    """The same few random numbers again and again, as of a seed that was not changed."""
    point = (0.05, 0.3, 0.45)[int(rng.integers(3))]
    return int(np.searchsorted(np.cumsum(law.probabilities), point))


@pytest.mark.parametrize(
    ("draw", "soon"),
    [
        (always_the_best, 500),
        (neighbour, 500),
        (evenly, 500),
        (seen_before, 1_000),
        (floor_forgotten, 5_000),
    ],
)
def test_a_draw_that_is_not_from_the_law_alarms_soon(draw: Draw, soon: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert alarmed_after(Calibration(), rng, draw, soon) is not None


def test_the_alert_names_who_since_when_and_how_far() -> None:
    watch = Calibration(clock=lambda: NOW)
    law = law_of(0.5, 0.5)
    for _ in range(1_000):
        watch.note("acme", law, 0)
    one, other = (alert for alert in watch.alerts() if alert.subject)
    assert (one.kind, one.tenant, one.subject) == ("calibration", "acme", ("agent-0",))
    assert one.since == NOW
    assert "drawn 1000 times in 1000 decisions, not about 500.0 times" in one.sentence
    assert other.subject == ("agent-1",)
    assert one.is_fault


def test_the_same_agent_of_another_tenant_is_another() -> None:
    watch = Calibration()
    law, their_law = law_of(0.5, 0.5), law_of(0.5, 0.5)
    for number in range(1_000):
        watch.note("acme", law, 0)
        watch.note("other", their_law, number % 2)
    assert {alert.tenant for alert in watch.alerts()} == {"acme"}


def test_what_had_no_probability_but_was_drawn_is_found_out() -> None:
    watch = Calibration()
    law = law_of(1.0, 0.0)
    for _ in range(20):
        watch.note("default", law, 1)
    assert watch.alerts()


def test_laws_drawn_too_greedily_are_told_of_by_tenant() -> None:
    watch = Calibration()
    rng = np.random.default_rng(7)
    for _ in range(300):
        law = any_law(rng)
        watch.note("acme", law, always_the_best(rng, law))
    (alert,) = [alert for alert in watch.alerts() if not alert.subject]
    assert "300 decisions" in alert.sentence


def test_only_so_many_agents_are_watched() -> None:
    watch = Calibration(most_watched=3)
    for number in range(10):
        law = Law((f"a{number}", f"b{number}"), np.array([0.5, 0.5]))
        for _ in range(1_000):
            watch.note("default", law, 0)
    assert {alert.subject for alert in watch.alerts()} == {("a0",), ("b0",)}
