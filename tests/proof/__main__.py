"""
``python -m tests.proof``: run every test of a promise at full size, measure, write the report.

Takes hours; ``--quick`` takes the sizes of every run instead.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tests.proof import costs, dashboard
from tests.proof.report import NEMESIS, Fact, Outcome, Proof, markdown
from tests.proof.surroundings import surroundings

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "reliability-report.md"
LONGEST_TEST_SECONDS = 7_200
BACKLOG, QUICK_BACKLOG = 1_000_000, 200_000
ROUNDS, QUICK_ROUNDS = 5, 1
MINUTES, QUICK_MINUTES = 60.0, 2.0
FAULTS_BESIDES = "100"  # where a big run of the nemesis is in the facts already

T = TypeVar("T")


def tested(folder: Path, environment: Mapping[str, str]) -> int:
    """Run the tests of all promises; return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-m", "promise", "-v"]
    options = ["-p", "tests.proof.outcomes", "-o", f"timeout={LONGEST_TEST_SECONDS}"]
    files = {
        "OLEARN_PROOF_OUTCOMES": str(folder / "outcomes.jsonl"),
        "OLEARN_PROOF_FACTS": str(folder / "facts.jsonl"),
    }
    return subprocess.run(
        [*command, *options], cwd=ROOT, env={**os.environ, **environment, **files}, check=False
    ).returncode


def noted(path: Path, kind: type[T]) -> list[T]:
    """Return what tests have written, a line each."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [kind(**json.loads(line)) for line in lines]


def proved(*, quick: bool, seeds: str, facts: Path | None, folder: Path) -> Proof:
    """Run and measure everything; what fails to run is said, and does not hide the rest."""
    stands_on, started = surroundings(), time.monotonic()
    earlier = [] if facts is None else noted(facts, Fact)
    unfinished = []
    environment = {"OLEARN_PROOF": "" if quick else "1", "OLEARN_PROOF_SEEDS": seeds}
    if any(fact.name == NEMESIS for fact in earlier):
        environment["OLEARN_PROOF_FAULTS"] = FAULTS_BESIDES
    code = tested(folder, environment)
    if code not in (0, 1):
        unfinished.append(f"pytest ended with {code}")
    figures: list[costs.Figure] = []
    for what, measure in (("costs", measured), ("dashboard's costs", watched)):
        try:
            figures += measure(quick=quick)
        except Exception as error:  # noqa: BLE001 - hours of tests shall not be lost by it
            traceback.print_exc()
            unfinished.append(f"the {what} were not measured: {error!r}")
    return Proof(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        size="quick" if quick else "proof",
        minutes=(time.monotonic() - started) / 60.0,
        surroundings=stands_on,
        outcomes=noted(folder / "outcomes.jsonl", Outcome),
        facts=[*earlier, *noted(folder / "facts.jsonl", Fact)],
        figures=figures,
        unfinished=unfinished,
    )


def measured(*, quick: bool) -> list[costs.Figure]:
    """Measure the costs, in fewer rounds where it shall be quick."""
    rounds, backlog = (QUICK_ROUNDS, QUICK_BACKLOG) if quick else (ROUNDS, BACKLOG)
    return asyncio.run(costs.measured(rounds, backlog))


def watched(*, quick: bool) -> list[costs.Figure]:
    """Measure the dashboard, for an hour or for minutes."""
    return dashboard.measured(QUICK_MINUTES if quick else MINUTES)


def main() -> int:
    """Prove and write; 1 where anything was not proved."""
    parser = argparse.ArgumentParser(description="Prove the promises and write the report.")
    parser.add_argument("--quick", action="store_true", help="the sizes of every run")
    parser.add_argument("--seeds", default="1", help="of the nemesis, e.g. 1,2,3")
    parser.add_argument("--facts", type=Path, help="of `python -m tests.nemesis`, run before")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="olearn-proof-") as folder:
        proof = proved(quick=given.quick, seeds=given.seeds, facts=given.facts, folder=Path(folder))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(markdown(proof))
    print(*proof.failures, f"written to {given.out}", sep="\n")
    return int(bool(proof.failures))


if __name__ == "__main__":
    sys.exit(main())
