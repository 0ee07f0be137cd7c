"""What recurs beside learning outlives a database or broker that is away."""

from __future__ import annotations

import asyncio

import pytest

from olearn_core.errors import StorageError
from olearn_core.service.rounds import Round, walk


class Errand:
    """A step that fails as told, then says that it was done."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.done = asyncio.Event()

    async def step(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.done.set()


async def test_a_round_goes_on_after_failures(caplog: pytest.LogCaptureFixture) -> None:
    errand = Errand(ConnectionRefusedError("refused"), StorageError("locked"))
    walking = asyncio.create_task(walk(Round("read the keys", 0.0, errand.step)))
    await asyncio.wait_for(errand.done.wait(), 5)
    walking.cancel()
    assert [record.levelname for record in caplog.records if record.levelno >= 30] == ["WARNING"]
    assert "could not read the keys: refused" in caplog.text


async def test_a_mistake_in_the_code_is_not_borne() -> None:
    errand = Errand(TypeError("a mistake"))
    with pytest.raises(TypeError):
        await walk(Round("read the keys", 0.0, errand.step))
