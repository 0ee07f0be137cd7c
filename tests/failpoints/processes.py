"""Telling stories in processes that end or stand still, and seeing what they did."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

PATIENCE_SECONDS = 160.0


class Ended(NamedTuple):
    """
    What a process came to.

    :param code: what it exited with, None where it stands still
    """

    pid: int
    code: int | None


class Tellers:
    """A process with everything imported, which forks one for each story."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def tell(self, **plan: Any) -> Ended:
        """Tell a story in a new process, until it ends or stands still."""
        return await self._asked(plan)

    async def wake(self, pid: int) -> Ended:
        """Let one go on that stands still, until it ends."""
        return await self._asked({"wake": pid})

    async def _asked(self, plan: dict[str, Any]) -> Ended:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(plan).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            pid, status = json.loads(await stdout.readline())
        if os.WIFSTOPPED(status):
            return Ended(pid, None)
        return Ended(pid, os.waitstatus_to_exitcode(status))


@asynccontextmanager
async def tellers() -> AsyncIterator[Tellers]:
    """Start the process; it ends with its input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.failpoints.teller",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Tellers(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def kill(pid: int) -> None:
    """End a process that stands still."""
    os.kill(pid, signal.SIGKILL)
