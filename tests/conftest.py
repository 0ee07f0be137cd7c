"""What every test may use: real servers, and a run that fails where a test is skipped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from olearn_core.storage.database import Database
from tests.support.services import open_database

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
