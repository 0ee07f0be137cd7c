"""
A pytest plugin: a test that was skipped, or was expected to fail, has failed.

A skipped test proves nothing while the suite stays green; ``-m`` and ``-k`` still choose tests.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Refuse skips and expected failures of single tests."""
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse skips of whole modules."""
    report = yield
    _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    expected_failure = hasattr(report, "wasxfail") and not report.failed
    if report.skipped or expected_failure:
        what = "marked xfail" if expected_failure else "skipped"
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was {what}; all tests must run and pass. {_why(report)}"
        if hasattr(report, "wasxfail"):
            del report.wasxfail  # pytest would count it as expected all the same


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        return f"{path}:{line}: {reason}"
    return str(getattr(report, "wasxfail", ""))
