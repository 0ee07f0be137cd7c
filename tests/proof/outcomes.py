"""
A pytest plugin: writes what became of each test, with the promises that it proves.

A line of JSON a test, to the file that ``$OLEARN_PROOF_OUTCOMES`` names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

FAILED = pytest.StashKey[bool]()
SECONDS = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note each phase; after the last one, write."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or not report.passed
    item.stash[SECONDS] = item.stash.get(SECONDS, 0.0) + report.duration
    if report.when == "teardown":
        _write(item)
    return report


def _write(item: pytest.Item) -> None:
    outcome = {
        "test": item.nodeid,
        "promises": sorted({mark.args[0] for mark in item.iter_markers("promise")}),
        "passed": not item.stash[FAILED],
        "seconds": round(item.stash[SECONDS], 2),
    }
    with Path(os.environ["OLEARN_PROOF_OUTCOMES"]).open("a") as outcomes:
        outcomes.write(json.dumps(outcome) + "\n")
