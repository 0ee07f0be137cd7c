"""What every test may use: real servers, and a run that fails where a test is skipped."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from olearn_core.storage.database import Database
from tests.support.services import open_database

# The same examples each time, however slow the machine: what fails is what was changed. The
# proof looks for new ones.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("new", settings.get_profile("same"), derandomize=False)
settings.load_profile("new" if os.environ.get("OLEARN_PROOF") else "same")

pytest_plugins = ["tests.servers.fixtures", "tests.servers.no_skips"]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a database that is not there yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'olearn.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database of each kind, with the newest schema."""
    async with AsyncExitStack() as stack:
        yield await open_database(database_url, stack)


@pytest.fixture
def record_proof(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """
    Note a number for the report on reliability: its name and its value.

    Written as a line of JSON to the file that $OLEARN_PROOF_FACTS names, nowhere without it.
    """
    path = os.environ.get("OLEARN_PROOF_FACTS")

    def record(name: str, value: object) -> None:
        if path:
            fact = {"test": request.node.nodeid, "name": name, "value": value}
            with Path(path).open("a") as facts:
                facts.write(json.dumps(fact) + "\n")

    return record
