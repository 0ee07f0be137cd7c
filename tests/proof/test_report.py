"""The report on reliability says what was not proved as loudly as what was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.nemesis.faults import Kind
from tests.nemesis.parameters import Parameters
from tests.nemesis.run import Result
from tests.proof.__main__ import noted
from tests.proof.costs import Figure
from tests.proof.promises import PROMISES
from tests.proof.report import Fact, Outcome, Proof, markdown

RUN = Result(Parameters(), faults=Counter({Kind.KILL: 3})).facts()

ALL_KEPT = Proof(
    date="2026-11-22",
    size="proof",
    minutes=90.0,
    surroundings={"Python": "3.11"},
    outcomes=[Outcome(f"tests/test_{promise}", [promise], True, 1.0) for promise in PROMISES],
    facts=[Fact("tests/test_P7", "inputs", 1_000_000)],
    figures=[Figure("hand-over", "s", [1.0, 1.5, 1.2], most=2.0)],
)


def test_nothing_is_missing_where_every_promise_has_a_test_that_passed() -> None:
    report = markdown(ALL_KEPT)
    assert ALL_KEPT.failures == []
    assert "Not proved" not in report
    assert "| hand-over | 1.20 s | 1.50 s | ≤ 2 s | kept |" in report
    assert "| `test_P7` | inputs | 1,000,000 |" in report


def test_a_promise_without_a_test_is_not_proved() -> None:
    proof = replace(ALL_KEPT, outcomes=ALL_KEPT.outcomes[1:])
    assert proof.failures == ["P1: **no test**"]
    assert "**Not proved:** P1: **no test**" in markdown(proof)


def test_one_test_that_failed_breaks_each_of_its_promises() -> None:
    failed = Outcome("tests/test_both", ["P2", "P3"], False, 1.0)
    proof = replace(ALL_KEPT, outcomes=[*ALL_KEPT.outcomes, failed])
    assert proof.failures == ["P2: **broken**", "P3: **broken**"]
    assert "| P2, P3 | `test_both` | 1, **1 failed** | 1.0 s |" in markdown(proof)


def test_a_goal_that_one_round_missed_is_missed() -> None:
    proof = replace(ALL_KEPT, figures=[Figure("hand-over", "s", [1.0, 2.5], most=2.0)])
    assert proof.failures == ["missed: hand-over"]
    assert "**missed**" in markdown(proof)


def test_what_the_nemesis_found_is_not_hidden_by_tests_that_passed() -> None:
    fact = Fact("python -m tests.nemesis", "nemesis", RUN | {"violations": ["an overlap of 7"]})
    proof = replace(ALL_KEPT, facts=[fact])
    assert proof.failures == ["python -m tests.nemesis: an overlap of 7"]
    assert "| worker killed (SIGKILL) | 3 |" in markdown(proof)


def test_a_run_that_broke_off_is_not_a_proof() -> None:
    proof = replace(ALL_KEPT, unfinished=["pytest ended with 3"])
    assert "**Not proved:** pytest ended with 3" in markdown(proof)


SOME = """\
import pytest

@pytest.fixture
def broken(): yield; assert False

@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
def test_passes(): pass

@pytest.mark.promise("P1")
def test_fails(): assert False

@pytest.mark.promise("P3")
def test_fails_when_it_is_over(broken): pass
"""


def test_each_test_is_noted_with_its_promises(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SOME)
    path = tmp_path / "outcomes.jsonl"
    options = ["-p", "tests.proof.outcomes", "-o", "markers=promise(id)", "-q"]
    subprocess.run(
        [sys.executable, "-m", "pytest", f"--rootdir={tmp_path}", *options, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OLEARN_PROOF_OUTCOMES": str(path)},
        capture_output=True,
        check=False,
    )
    assert [(o.promises, o.passed) for o in noted(path, Outcome)] == [
        (["P1", "P2"], True),
        (["P1"], False),
        (["P3"], False),
    ]
