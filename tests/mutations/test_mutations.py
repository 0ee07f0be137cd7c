"""Without any one of its safeguards the learner fails a test: the tests can see it break."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from tests.mutations.catalogue import MUTATIONS

AT_ONCE = 2
CHILD_SECONDS = 300
PLUGIN = "tests.mutations.removed"

pytestmark = [pytest.mark.promise("P1"), pytest.mark.timeout(600)]


class Run(NamedTuple):
    """
    What a run of pytest came to.

    :param failures: the message of each test that failed
    :param errors: of those that could not be run
    """

    passed: int
    failures: list[str]
    errors: list[str]
    output: str


@pytest.fixture(scope="module")
def runs(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Run]:
    """The tests without each of the safeguards, and with all of them."""
    folder = tmp_path_factory.mktemp("mutations")
    selections = {name: [mutation.tests] for name, mutation in MUTATIONS.items()}
    selections[""] = sorted({mutation.tests for mutation in MUTATIONS.values()})

    def one(number: int, name: str) -> Run:
        return run(pytestconfig.rootpath, folder / f"{number}.xml", name, selections[name])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(one, range(len(selections)), selections)
        return dict(zip(selections, found, strict=True))


def run(root: Path, report: Path, mutation: str, tests: Iterable[str]) -> Run:
    """Run tests in a process of its own, without one safeguard or with all."""
    # The coverage of a changed program tells nothing.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    environment["OLEARN_MUTATION"] = mutation
    plugin = ["-p", PLUGIN] if mutation else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin]
    done = subprocess.run(
        [*command, f"--junitxml={report}", *tests],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=CHILD_SECONDS,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    cases = list(ET.parse(report).iter("testcase"))
    failures, errors = _messages(cases, "failure"), _messages(cases, "error")
    return Run(len(cases) - len(failures) - len(errors), failures, errors, done.stdout)


def _messages(cases: Iterable[ET.Element], kind: str) -> list[str]:
    return [element.get("message", "") for case in cases for element in case.iter(kind)]


def test_with_all_safeguards_these_tests_pass(runs: Mapping[str, Run]) -> None:
    whole = runs[""]
    assert (whole.failures, whole.errors) == ([], []), whole.output
    assert whole.passed == len({mutation.tests for mutation in MUTATIONS.values()})


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_without_this_safeguard_a_test_fails(runs: Mapping[str, Run], mutation: str) -> None:
    changed = runs[mutation]
    assert not changed.errors, changed.output
    assert changed.failures, f"nothing misses it: {changed.output}"
    for message in changed.failures:
        assert message.startswith(("AssertionError", "assert ")), message
