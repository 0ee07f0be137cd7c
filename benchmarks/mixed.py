"""
Predictions while learning: how long they take at 500 a second, beside 50,000 events a second.

Requests are due at fixed times, whatever became of those before them, and their time runs
from then on: a stall counts for each that it keeps waiting.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from benchmarks import events
from benchmarks.mixed_server import RATE
from benchmarks.predict import REQUEST
from benchmarks.usage import ROOT, cores, pinned
from tests.servers.tansu import Tansu
from tests.support.credentials import lay_key

TOPIC = "agent-outcomes"
PARTITIONS = 4
REQUESTS_PER_SECOND = 500
SECONDS = 6.0
WARM_SECONDS = 2.0
START_SECONDS = 15.0  # the learner may be that far ahead when the last node answers
CONNECTIONS = 32


class Node:
    """A node in a process of its own, on one core."""

    def __init__(self, role: str, core: int, folder: Path, bootstrap: str) -> None:
        command = [sys.executable, "-m", "benchmarks.mixed_server", role, str(folder), bootstrap]
        with pinned(core):
            self._process = subprocess.Popen(
                [*command, TOPIC],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self.port = int(self._line())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def said(self) -> dict[str, Any]:
        """Return what it has learned and used so far."""
        if self._process.stdin is None:
            raise RuntimeError("the node has no standard input")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said: dict[str, Any] = json.loads(self._line())
        return said

    def _line(self) -> str:
        if self._process.stdout is None:
            raise RuntimeError("the node has no standard output")
        return self._process.stdout.readline()


class Callers:
    """Connections that stay open; whichever is free sends what is due."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self.milliseconds: list[float] = []
        self.refused = 0

    async def ask(self, rate: float, seconds: float) -> None:
        """Send requests at a rate for so long."""
        self._free = asyncio.Queue()
        for _ in range(CONNECTIONS):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(rate * seconds)):
                due = started + number / rate
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                tasks.create_task(self._one(due))
        while not self._free.empty():
            self._free.get_nowait()[1].close()

    async def _one(self, due: float) -> None:
        reader, writer = connection = await self._free.get()
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        self._free.put_nowait(connection)
        if head.startswith(b"HTTP/1.1 200"):
            self.milliseconds.append((time.perf_counter() - due) * 1e3)
        else:
            self.refused += 1


def measure(seconds: float = SECONDS) -> dict[str, dict[str, float]]:
    """Return figures of one node that does both, and of two that share the work."""
    count = int(RATE * (START_SECONDS + WARM_SECONDS + seconds))
    found = {}
    with tempfile.TemporaryDirectory() as name, pinned(cores()[1]):
        folder = Path(name)
        with Tansu(folder) as broker:
            asyncio.run(events.fill(broker.bootstrap, TOPIC, PARTITIONS, count))
            for nodes in ("one", "two"):
                (folder / nodes).mkdir()
                lay_key(folder / nodes)
                found[nodes] = _round(nodes, folder / nodes, broker.bootstrap, seconds)
    return found


def _round(nodes: str, folder: Path, bootstrap: str, seconds: float) -> dict[str, float]:
    measured, beside = cores()
    if nodes == "one":
        with Node("all", measured, folder, bootstrap) as node, _going_first() as callers_first:
            return asyncio.run(_asked(node, node, seconds)) | {"callers_first": callers_first}
    with (
        Node("learner", measured, folder, bootstrap) as learner,
        Node("api", beside, folder, bootstrap) as api,
        _going_first() as callers_first,
    ):
        return asyncio.run(_asked(learner, api, seconds)) | {"callers_first": callers_first}


@contextmanager
def _going_first() -> Iterator[bool]:
    """
    Go before the broker, which shares our core; give whether that is allowed.

    In life callers are elsewhere: how long they wait for a core here says nothing of the node.
    """
    first = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        with suppress(PermissionError):
            os.sched_setscheduler(0, first, os.sched_param(1))
        yield os.sched_getscheduler(0) == first
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


async def _asked(learner: Node, answers: Node, seconds: float) -> dict[str, float]:
    await Callers(answers.port).ask(REQUESTS_PER_SECOND, WARM_SECONDS)
    before, started = learner.said(), time.perf_counter()
    callers = Callers(answers.port)
    await callers.ask(REQUESTS_PER_SECOND, seconds)
    after, taken = learner.said(), time.perf_counter() - started
    ordered = sorted(callers.milliseconds)
    return {
        "p50_ms": _quantile(ordered, 0.5),
        "p99_ms": _quantile(ordered, 0.99),
        "most_ms": ordered[-1],
        "refused": callers.refused,
        "requests_per_second": len(ordered) / taken,
        "events_per_second": (after["learned"] - before["learned"]) / taken,
    }


def _quantile(ordered: Sequence[float], quantile: float) -> float:
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
