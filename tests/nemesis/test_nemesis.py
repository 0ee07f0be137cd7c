"""Everything breaks, at random and several things at once; nothing is lost, doubled or undone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nemesis.fleet import last_words
from tests.nemesis.parameters import Parameters
from tests.nemesis.run import Result, run

PROOF = os.environ.get("OLEARN_PROOF") == "1"
SEEDS = [int(seed) for seed in os.environ.get("OLEARN_PROOF_SEEDS", "1").split(",")]
FAULTS = int(os.environ.get("OLEARN_PROOF_FAULTS", "1000" if PROOF else "100"))
TIMEOUT_SECONDS = 5_400 if PROOF else 1_200

BIG = Parameters(faults=FAULTS, events=FAULTS * 3_000, session_timeout_seconds=4.0)
if PROOF:
    BIG = replace(BIG, workers=4, events=FAULTS * 5_000, round_size=24, catch_up_seconds=400.0)
MOST_MISSED_SHARE = 0.05
SMOKE = Parameters(faults=20, events=50_000, round_size=7, session_timeout_seconds=4.0)

Record = Callable[[str, object], None]

pytestmark = [pytest.mark.alone, pytest.mark.promise("P1")]


async def _unharmed(parameters: Parameters, folder: Path, record_proof: Record) -> Result:
    try:
        result = await run(parameters, folder)
        print(*result.lines(), sep="\n")
        record_proof("nemesis", result.facts())
        assert result.violations == []
    except BaseException:
        print(*last_words(folder), sep="\n")
        raise
    assert result.faults.total() + len(result.missed) == parameters.faults
    assert len(result.missed) <= MOST_MISSED_SHARE * parameters.faults
    return result


@pytest.mark.promise("P3")
@pytest.mark.promise("P9")
@pytest.mark.postgres
@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_each_event_counts_once_through_a_hundred_faults(
    tmp_path: Path, record_proof: Record, seed: int
) -> None:
    """A thousand faults where it is the proof: frozen workers were refused then, so fences held."""
    result = await _unharmed(replace(BIG, seed=seed), tmp_path, record_proof)
    assert not PROOF or result.refused_after_freeze >= 1


@pytest.mark.timeout(600)
async def test_each_event_counts_once_on_sqlite(tmp_path: Path, record_proof: Record) -> None:
    """Three workers share one file."""
    await _unharmed(replace(SMOKE, database="sqlite"), tmp_path, record_proof)


@pytest.mark.apache
@pytest.mark.postgres
@pytest.mark.timeout(600)
async def test_each_event_counts_once_while_apache_kafka_restarts(
    tmp_path: Path, record_proof: Record
) -> None:
    """Its log survives stops and kills; so do its groups, or they form anew."""
    result = await _unharmed(replace(SMOKE, broker="apache"), tmp_path, record_proof)
    assert sum(n for kind, n in result.faults.items() if kind.name.startswith("BROKER_RE")) >= 1
