"""A simulation that finds nothing proves nothing: take a safeguard away, and it has to tell."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Update

from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.shard import Shard
from olearn_core.learning.workers.worker import Worker
from olearn_core.sources import kafka
from olearn_core.storage import saves
from tests.simulation.consumer import SimulatedConsumer
from tests.simulation.script import scripted
from tests.simulation.simulate import FoundError, found
from tests.simulation.test_simulation import ACTIONS, SEEDS
from tests.simulation.world import run

pytestmark = [pytest.mark.promise("P1"), pytest.mark.timeout(240)]

SHORT = 25


def first_found() -> FoundError:
    """Return what the seeds of each run find first."""
    for seed in range(SEEDS):
        script = scripted(seed, ACTIONS)
        ended = run(script, seed)
        if ended.breach is not None:
            return found(script, ended, seed)
    raise AssertionError(f"{SEEDS} seeds found nothing")


def test_it_misses_the_compare_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saves, "update", OfAnyEpochAndOffset)
    error = first_found()
    assert error.breach.rule in ("epochs", "ledger", "forward")
    assert len(error.script) <= SHORT


class OfAnyEpochAndOffset(Update):
    """An UPDATE that looks at which shard it is, and no further."""

    inherit_cache = True

    def where(self, *conditions: Any) -> Any:
        safeguards = {"epoch", "next_offset"} if self.table.name == "shards" else set()
        return super().where(*(c for c in conditions if c.left.name not in safeguards))


def test_it_misses_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    original = kafka._Rebalance.on_partitions_assigned

    def without_pause(listener: Any, assigned: Any) -> None:
        with patch.object(SimulatedConsumer, "pause", lambda *_: None):
            original(listener, assigned)

    monkeypatch.setattr(kafka._Rebalance, "on_partitions_assigned", without_pause)
    error = first_found()
    assert error.breach.rule == "contract"
    assert len(error.script) <= SHORT


def test_it_misses_the_check_of_continuity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shard, "continues", lambda *_: True)
    error = first_found()
    assert error.breach.rule == "continuity"
    assert len(error.script) <= SHORT
    assert any(action.verb == "lose_records" for action in error.script)


def test_it_misses_the_patience_with_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = property(lambda _: False, lambda *_: None)
    monkeypatch.setattr(Worker, "_unsaved", never, raising=False)
    error = first_found()
    assert error.breach.rule == "memory"
    assert len(error.script) <= SHORT


def test_it_misses_the_memory_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DedupWindow, "admit", lambda _, hashes, *__: hashes == hashes)
    error = first_found()
    assert error.breach.rule == "truth"
    assert len(error.script) <= SHORT
