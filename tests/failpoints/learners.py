"""Services in processes of their own, and what must be in the database in the end."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import func, select

from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardHeader, ShardStore
from olearn_core.storage.tables import dead_letters
from tests.failpoints.story import poison, repeats
from tests.support import oracle
from tests.support.credentials import HEADERS
from tests.support.services import GROUP_SECONDS, cells_of, eventually
from tests.support.workers import assert_ledger_chains, stored

START_SECONDS = GROUP_SECONDS


class Learner:
    """
    A service in a process of its own.

    :ivar url: where it answers
    """

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.url = ""
        self._log = log

    @classmethod
    async def start(cls, settings: dict[str, Any], log: Path) -> Learner:
        """Start one and return when it answers."""
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.failpoints.learner",
                json.dumps(settings),
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )
        learner = cls(process, log)
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            learner.url = (await process.stdout.readline()).decode().strip()
        assert learner.url, learner.log
        return learner

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    @property
    def refusals(self) -> int:
        """How often the database told it that it is no longer the owner."""
        return self.log.count("fenced: ")

    @property
    def took_leave(self) -> bool:
        """Whether it told the group that it goes, and was heard."""
        return "LeaveGroup request succeeded" in self.log

    async def samples(self) -> int:
        """Return how many outcomes it has learned, saved or not, with what others have saved."""
        async with httpx2.AsyncClient(headers=HEADERS) as client:
            answer = await client.get(f"{self.url}/api/learning/metrics")
        return int(answer.json()["samples_processed"])

    def owns(self, header: ShardHeader) -> bool:
        """Tell whether the database takes it for a shard's owner."""
        return f":{self.process.pid}:" in (header.owner or "")

    def send(self, sign: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(sign)

    async def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal that ends it, and return its exit code."""
        if self.process.returncode is None:
            self.send(how)
            if how == signal.SIGKILL:
                self.send(signal.SIGCONT)
        return await self.process.wait()


class Learners:
    """
    Learners of one topic and database, whoever of them is alive.

    :ivar alive: those that were not ended
    """

    def __init__(self, settings: dict[str, Any], folder: Path, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._folder = folder
        self._stack = stack
        self._numbers = itertools.count()
        self.alive: list[Learner] = []

    async def join(self) -> Learner:
        """Start one more."""
        log = self._folder / f"learner-{next(self._numbers)}.log"
        learner = await Learner.start(self._settings, log)
        self._stack.push_async_callback(learner.end)
        self.alive.append(learner)
        return learner

    async def end(self, learner: Learner, how: signal.Signals) -> int:
        """End one."""
        self.alive.remove(learner)
        return await learner.end(how)


async def saved(database: Database, count: int) -> None:
    """Wait until so many records are saved."""

    async def all_of_them() -> bool:
        headers = await ShardStore(database).headers()
        return sum(header.next_offset or 0 for header in headers) >= count

    await eventually(all_of_them, f"{count} records are saved", GROUP_SECONDS)


async def assert_learned_once(database: Database, records: list[bytes], now: float) -> None:
    """Each record has had its effect once, whichever partition it is in."""
    expected = _without_hours(oracle.expected(records, now))
    assert _without_hours(cells_of(await stored(database))) == expected, "other sums"
    await assert_ledger_chains(database)
    headers = await ShardStore(database).headers()
    counted = sum((Counter(header.counters) for header in headers), Counter())
    wanted = {"received": len(records), "duplicates": repeats(records)}
    wanted["dead_letters"] = poison(records)
    found = {name: counted[name] for name in wanted}
    assert found == wanted, f"counted {found}, not {wanted}"
    assert await letters(database) == wanted["dead_letters"], "each dead letter is there once"


async def letters(database: Database) -> int:
    """Return how many dead letters there are."""
    async with database.read() as connection:
        count = await connection.execute(select(func.count()).select_from(dead_letters))
        return int(count.scalar_one())


def _without_hours(cells: oracle.Cells) -> oracle.Cells:
    """Leave out the buckets: an hour may end between the writing and the learning."""
    sums: oracle.Cells = {}
    for cell, values in cells.items():
        total = sums.setdefault((*cell[:4], 0, 0), {})
        for column, value in values.items():
            total[column] = total.get(column, 0) + value
    return sums
