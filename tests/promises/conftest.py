"""What tests of several promises stand on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.promises.by_hand import template


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty SQLite database, to be copied for each example."""
    return asyncio.run(template(tmp_path_factory.mktemp("empty")))
