"""Whatever breaks, in whatever order: each event is learned exactly once, and learning goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.proof import PROOF, size
from tests.simulation.script import Action, scripted
from tests.simulation.simulate import lived, simulate
from tests.simulation.world import run

ROOT = Path(__file__).parents[2]
SEEDS = size(20, 200)
ACTIONS = size(300, 500)


@pytest.mark.promise("P1")
@pytest.mark.timeout(1_800 if PROOF else 240)
def test_whatever_happens_each_event_is_learned_exactly_once() -> None:
    summary = simulate(SEEDS, ACTIONS)
    assert summary.actions == SEEDS * ACTIONS
    assert min(summary.faults.values()) > 0, "every kind of fault has happened"
    assert summary.refused_saves > 0, "somebody tried to save what was no longer theirs"
    assert summary.expired_sessions > 0
    assert summary.data_gaps > 0


def test_the_same_script_and_seed_come_to_the_same_run() -> None:
    """In two processes that put sets in different orders."""
    seed = 3
    traces = [trace_elsewhere(seed, hash_seed) for hash_seed in ("0", "1")]
    assert traces[0] == traces[1] == lived(seed, 120).trace
    assert traces[0] != run(scripted(seed, 120), seed + 1).trace, "the trace tells runs apart"


def trace_elsewhere(seed: int, hash_seed: str) -> str:
    code = f"from tests.simulation.simulate import lived; print(lived({seed}, 120).trace)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


@pytest.mark.promise("P3")
def test_a_frozen_worker_finds_out_when_it_wakes() -> None:
    """It holds records that it learned before; its partitions have an heir by then."""
    script = [Action("start", 0), Action("start", 1), Action("wait_long", 0, 3.0)]
    for _ in range(20):
        script += [Action("produce", number, 10) for number in range(3)]
        script += [Action("wait", 0, 0.1), Action("freeze", 0, 9.0), Action("wait_long", 0, 14.0)]
    ended = run(script, 0)
    assert ended.breach is None
    assert ended.counts["sessions expired"] >= 20
    assert ended.counts["refused saves"] > 0


def test_records_lost_at_the_end_of_a_log_are_asked_for_again() -> None:
    """Nothing comes after them that could show the gap."""
    script = [
        Action("start", 0),
        Action("produce", 0, 20),
        Action("lose_records", 0, 20),
        Action("wait_long", 0, 120.0),
    ]
    ended = run(script, 0)
    assert ended.breach is None
    assert ended.counts["behind"] == 0


@pytest.mark.parametrize("seconds", [25.0, 200.0])
def test_a_log_may_end_with_offsets_that_hold_no_record(seconds: float) -> None:
    """Transactions leave markers: nobody waits for them for ever."""
    script = [
        Action("start", 0),
        Action("produce", 0, 20),
        Action("leave_gap", 0, 1),
        Action("wait_long", 0, seconds),
    ]
    assert run(script, 0).breach is None


def test_a_broker_that_is_away_when_a_worker_joins_anew_is_asked_until_it_is_there() -> None:
    for second in range(18, 24):
        script = [
            Action("start", 0),
            Action("leave_gap", 0, 1),
            Action("wait_long", 0, float(second)),
            Action("stop_broker", 0, 6.0),
            Action("wait_long", 0, 60.0),
        ]
        assert run(script, 0).breach is None


def test_a_partition_may_go_away_while_its_lost_records_are_written_down() -> None:
    """The broker has deleted what was not learned, and the database does not answer at once."""
    script = [
        Action("start", 0),
        Action("start", 3),
        Action("wait_long", 0, 20.0),
        Action("start", 1),
        Action("lose_commit"),
        Action("produce", 0, 39),
        Action("delete_old", 0, 21),
        Action("wait", 0, 5.0),
    ]
    runs = [run(script, seed) for seed in range(10)]
    assert [ended.breach for ended in runs] == [None] * 10
    assert any(ended.counts["data_gaps"] for ended in runs)
