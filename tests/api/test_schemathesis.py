"""
Requests that schemathesis makes of the OpenAPI document, sent to a running service: answers keep
to the document, what it allows is accepted, what it does not allow is refused.

The size is OLEARN_PROOF's: 100 examples an operation, or 1,000.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.api.example_calls import FLEET
from tests.cli.serving import Serving
from tests.promises.proof import size
from tests.support.credentials import HEADERS

EXAMPLES = size(100, 1_000)
PROGRAM = Path(sys.executable).with_name("schemathesis")
OPTIONS = [
    "--exclude-path=/api/learning/stream",  # which never ends; tests of its own
    "--checks=all",
    "--phases=examples,coverage,fuzzing",
    f"--max-examples={EXAMPLES}",
    "--continue-on-failure",
    size("--generation-deterministic", "--generation-database=none"),
    "--suppress-health-check=all",
    "--warnings=off",
    "--no-color",
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path) as serving:
        yield serving


@pytest.mark.promise("P16")
@pytest.mark.timeout(size(600, 7_200))
@pytest.mark.parametrize("methods", ["GET", "POST"])
def test_no_request_finds_a_fault(service: Serving, methods: str) -> None:
    outcomes = f"{service.url}/api/learning/outcomes/batch"
    httpx2.post(outcomes, json=FLEET, headers=HEADERS).raise_for_status()
    httpx2.post(f"{service.url}/api/learning/models/save", headers=HEADERS).raise_for_status()
    headers = [f"--header={name}: {value}" for name, value in HEADERS.items()]
    chosen = "--include-method=GET" if methods == "GET" else "--exclude-method=GET"
    run = subprocess.run(
        [str(PROGRAM), "run", f"{service.url}/openapi.json", *OPTIONS, chosen, *headers],
        cwd=service.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout[-20_000:]}\n{run.stderr}\n{service.log[-2_000:]}"
